import { keptPrivate, type TouchOptions, touchReporter } from "./touch.js";

export type { TouchOptions } from "./touch.js";

/** What of Hono's context is used. */
interface Context {
  req: { method: string; url: string; raw: Request };
  res: Response;
  header(name: string, value: string, options?: { append?: boolean }): void;
}

/**
 * Returns a middleware for Hono that picks landings up: a visitor who comes by a link with `?ref=` or of a campaign gets
 * the cookies that credit who sent them. The page is made meanwhile.
 */
export function touch(options: TouchOptions): (context: Context, next: () => Promise<void>) => Promise<void> {
  const report = touchReporter(options);
  return async (context, next) => {
    const { headers } = context.req.raw;
    const { method, url } = context.req;
    const reported = report({ method, url, header: (name) => headers.get(name), https: url.startsWith("https:") });
    await next();
    const lines = await reported;
    for (const line of lines) context.header("set-cookie", line, { append: true });
    if (lines.length > 0) context.header("cache-control", keptPrivate(context.res.headers.get("cache-control")));
  };
}
