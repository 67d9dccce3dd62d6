import { setCookiesOf } from "./jar.js";

/** How a site reports its page views. */
export interface TouchOptions {
  /** Where whence is, as this server reaches it. It has to name this server with `--trusted-proxy`. */
  baseUrl: string | URL;
  /** How long a page may wait for whence, in milliseconds; 300 without it. Then it goes out without the cookies. */
  timeout?: number | undefined;
  /** The function that makes requests; that of the runtime without it. */
  fetch?: typeof globalThis.fetch | undefined;
  /** Is told why a page went out without the cookies. */
  onError?: ((error: unknown) => void) | undefined;
}

/** A page view, as a server got it. */
export interface PageView {
  method: string;
  /** Path and query, or the whole address. */
  url: string;
  /** Returns a header of the request by its name in small letters. */
  header: (name: string) => string | null | undefined;
  /** The address of the client, as far as this server knows it. */
  ip?: string | undefined;
  https?: boolean | undefined;
}

/** What of a request whence judges a landing by. */
const PASSED_ON = [
  "cookie",
  "referer",
  "user-agent",
  "sec-fetch-dest",
  "sec-fetch-mode",
  "sec-fetch-site",
  "sec-purpose",
  "purpose",
  "x-purpose",
  "x-moz",
  "sec-ch-ua-mobile",
];

/** How many failures in a row make the pages stop asking, and for how long. */
const [MAX_FAILURES, REST] = [5, 5000];

/** Returns whether whence has to see a request: a visitor opens a page, for the first time or with something to tell. */
function isOfInterest({ method, url, header }: PageView): boolean {
  const dest = header("sec-fetch-dest");
  const purposes = ["sec-purpose", "purpose", "x-purpose", "x-moz"].map((name) => header(name) ?? "");
  if (method !== "GET" || (dest && dest !== "document") || purposes.some((purpose) => /prefetch|prerender|preview/i.test(purpose))) {
    return false;
  }
  // A router of the browser fetches pages, too; an old browser's picture or style has no header that says so.
  if (!dest && !/text\/html/.test(header("accept") ?? "")) return false;
  const known = /(?:^|;)\s*whence_touch=/.test(header("cookie") ?? "");
  const { search } = new URL(url, "http://page");
  return !known || search !== "" || isForeign(header("referer"), hostOf(header));
}

/** Returns the host that the visitor asked for, of which a proxy in front may have made another one. */
const hostOf = (header: PageView["header"]): string | undefined => header("x-forwarded-host") ?? header("host") ?? undefined;

/** Writes who the client is: what proxies in front said, and behind it the one that this server talks to. */
function nameClient(headers: Headers, { header, ip }: PageView): void {
  const [list, forwarded] = [header("x-forwarded-for"), header("forwarded")];
  const addresses = [list, ip].filter(Boolean).join(", ");
  if (addresses) headers.set("x-forwarded-for", addresses);
  // Both have to end in the same: what comes first may be the client's own.
  const last = ip && `for=${ip.includes(":") ? `"[${ip}]"` : ip}`;
  if (forwarded) headers.set("forwarded", [forwarded, last].filter(Boolean).join(", "));
}

function isForeign(referrer: string | null | undefined, host: string | null | undefined): boolean {
  if (!referrer) return false;
  try {
    return new URL(referrer).host !== host;
  } catch {
    return true;
  }
}

/**
 * Returns a function that reports a page view to whence, and returns the `Set-Cookie` lines for its answer. It never
 * throws and never takes longer than the time-out: a page is worth more than a landing.
 */
export function touchReporter(options: TouchOptions): (view: PageView) => Promise<string[]> {
  const base = new URL(options.baseUrl);
  const address = `${base.origin}${base.pathname.replace(/\/+$/, "")}/v1/touch/forward`;
  let failures = 0;
  let restsUntil = 0;
  return async (view) => {
    try {
      if (!isOfInterest(view) || Date.now() < restsUntil) return [];
      const page = new URL(view.url, "http://page");
      const headers = new Headers({ "x-forwarded-uri": page.pathname + page.search, "x-forwarded-method": view.method });
      for (const name of PASSED_ON) {
        const value = view.header(name);
        if (value) headers.set(name, value);
      }
      const host = hostOf(view.header);
      if (host) headers.set("x-forwarded-host", host);
      headers.set("x-forwarded-proto", view.header("x-forwarded-proto") ?? (view.https ? "https" : "http"));
      nameClient(headers, view);
      const signal = AbortSignal.timeout(options.timeout ?? 300);
      const answer = await (options.fetch ?? globalThis.fetch)(address, { headers, signal, redirect: "manual" });
      await answer.body?.cancel();
      if (answer.status !== 204) throw new Error(`whence answered ${answer.status} to a page view`);
      failures = 0;
      return setCookiesOf(answer.headers);
    } catch (error) {
      failures += 1;
      if (failures >= MAX_FAILURES) [failures, restsUntil] = [0, Date.now() + REST];
      options.onError?.(error);
      return [];
    }
  };
}

/** Returns the `Cache-Control` of an answer that sets a visitor's own cookies: no shared cache may keep it. */
export function keptPrivate(cacheControl: string | null | undefined): string {
  const directives = (cacheControl ?? "").split(",").map((directive) => directive.trim());
  if (directives.some((directive) => /^no-store$/i.test(directive))) return directives.join(", ");
  return ["private", ...directives.filter((directive) => directive && !/^(public|private|s-maxage)(=|$)/i.test(directive))].join(", ");
}
