import { keptPrivate, type TouchOptions, touchReporter } from "./touch.js";

export type { TouchOptions } from "./touch.js";

/** A request of Node.js, with what Express adds. */
interface Incoming {
  method?: string | undefined;
  url?: string | undefined;
  originalUrl?: string | undefined;
  headers: Record<string, string | string[] | undefined>;
  socket: { remoteAddress?: string | undefined; encrypted?: boolean };
}

/** An answer of Node.js. */
interface Outgoing {
  getHeader(name: string): number | string | readonly string[] | undefined;
  setHeader(name: string, value: string | readonly string[]): unknown;
  // biome-ignore lint: the overloads of Node.js
  writeHead: (...all: any[]) => any;
}

const listOf = (value: unknown): string[] => (value === undefined ? [] : [value].flat().map(String));

/** Adds cookies when the head of an answer is written, so that nothing that its handler sets replaces them. */
function addAtLast(response: Outgoing, lines: readonly string[]): void {
  const writeHead = response.writeHead;
  response.writeHead = function (this: Outgoing, ...all) {
    response.writeHead = writeHead;
    let own = listOf(response.getHeader("set-cookie"));
    let cache = response.getHeader("cache-control");
    const last = all[all.length - 1] as unknown;
    // Headers that are handed to `writeHead` replace those that were set.
    if (Array.isArray(last)) {
      const pairs = Array.isArray(last[0]) ? (last as [string, unknown][]) : pairsOf(last as unknown[]);
      const kept = pairs.filter(([name]) => !/^(set-cookie|cache-control)$/i.test(name));
      const of = (wanted: string): unknown[] => pairs.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);
      own = [...own, ...of("set-cookie").flatMap(listOf)];
      cache = (of("cache-control")[0] as string | undefined) ?? cache;
      all[all.length - 1] = Object.fromEntries(kept);
    } else if (typeof last === "object" && last !== null) {
      const kept: Record<string, unknown> = { ...last };
      for (const name of Object.keys(kept)) {
        if (/^set-cookie$/i.test(name)) own = listOf(kept[name]);
        else if (/^cache-control$/i.test(name)) cache = String(kept[name]);
        else continue;
        delete kept[name];
      }
      all[all.length - 1] = kept;
    }
    response.setHeader("set-cookie", [...own, ...lines]);
    response.setHeader("cache-control", keptPrivate(cache === undefined ? undefined : String(cache)));
    return writeHead.apply(this, all);
  };
}

function pairsOf(flat: readonly unknown[]): [string, unknown][] {
  const pairs: [string, unknown][] = [];
  for (let at = 0; at + 1 < flat.length; at += 2) pairs.push([String(flat[at]), flat[at + 1]]);
  return pairs;
}

/**
 * Returns a middleware for Express, Connect and plain servers of Node.js that picks landings up: a visitor who comes by
 * a link with `?ref=` or of a campaign gets the cookies that credit who sent them. Put it in front of the pages.
 */
export function touch(options: TouchOptions): (request: Incoming, response: Outgoing, next: () => void) => void {
  const report = touchReporter(options);
  return (request, response, next) => {
    const header = (name: string): string | undefined => [request.headers[name]].flat().join(", ") || undefined;
    const view = {
      method: request.method ?? "GET",
      url: request.originalUrl ?? request.url ?? "/",
      header,
      ip: request.socket.remoteAddress,
      https: request.socket.encrypted === true,
    };
    void report(view).then((lines) => {
      if (lines.length > 0) addAtLast(response, lines);
      next();
    });
  };
}
