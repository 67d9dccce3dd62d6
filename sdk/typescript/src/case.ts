/** A name in snake_case as it is in camelCase. */
export type CamelName<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelName<Tail>>}`
  : S;

/** A body of the console family with its names in camelCase, as deep as it goes. */
export type Camel<T> = T extends readonly (infer Item)[]
  ? Camel<Item>[]
  : T extends object
    ? { [K in keyof T as K extends string ? CamelName<K> : K]: Camel<T[K]> }
    : T;

function renamed(value: unknown, name: (key: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => renamed(item, name));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value);
  // Not by assignment: a field called `__proto__` is one like any other.
  return Object.fromEntries(entries.map(([key, inner]) => [name(key), renamed(inner, name)]));
}

/** Returns a body with its names in camelCase. Fields that this version does not know come through like all others. */
export const camel = (value: unknown): unknown =>
  renamed(value, (key) => key.replace(/([a-z0-9])_([a-z0-9])/g, (_, before: string, after: string) => before + after.toUpperCase()));

/** Returns a body with its names in snake_case. */
export const snake = (value: unknown): unknown =>
  renamed(value, (key) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
