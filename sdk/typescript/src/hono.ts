import { keptPrivate, type TouchOptions, touchReporter } from "./touch.js";

/** How a site reports its page views. */
export interface HonoTouchOptions extends TouchOptions {
  /** The `getConnInfo` of the runtime's adapter, which knows the connection. Without it, it is known on Node.js only. */
  // biome-ignore lint: the context of Hono, which is not imported here
  getConnInfo?: ((context: any) => { remote: { address?: string | undefined } }) | undefined;
}

/** What of Hono's context is used. */
interface Context {
  req: { method: string; url: string; raw: Request };
  env: unknown;
  res: Response;
  header(name: string, value: string, options?: { append?: boolean }): void;
}

/**
 * Returns a middleware for Hono that picks landings up: a visitor who comes by a link with `?ref=` or of a campaign gets
 * the cookies that credit who sent them. The page is made meanwhile.
 */
export function touch(options: HonoTouchOptions): (context: Context, next: () => Promise<void>) => Promise<void> {
  const report = touchReporter(options);
  const { getConnInfo } = options;
  return async (context, next) => {
    const { headers } = context.req.raw;
    const { method, url } = context.req;
    const view = { method, url, header: (name: string) => headers.get(name), https: url.startsWith("https:") };
    // Read where a failure is no failure of the page.
    const reported = report({ ...view, get ip() { return getConnInfo ? getConnInfo(context).remote.address : addressOnNode(context); } });
    await next();
    const lines = await reported;
    for (const line of lines) context.header("set-cookie", line, { append: true });
    if (lines.length > 0) context.header("cache-control", keptPrivate(context.res.headers.get("cache-control")));
  };
}

/** Returns the address at the other end of the connection, where `@hono/node-server` says it. */
function addressOnNode({ env }: Context): string | undefined {
  type Incoming = { incoming?: { socket?: { remoteAddress?: string } } } | undefined;
  return (env as Incoming)?.incoming?.socket?.remoteAddress;
}
