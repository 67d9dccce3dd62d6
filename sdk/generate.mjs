// Writes the types of the answers that the client hands out, from the specification of a service:
// node generate.mjs openapi.json > typescript/src/generated.ts
import { readFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";

/** The schemas that `typescript/src/types.ts` is made of. */
const ROOTS = [
  "AccessTokenBody",
  "ActiveToken",
  "AttributeAnswer",
  "ChosenCode",
  "Creator",
  "DeviceBody",
  "ErasureBody",
  "InviteeBody",
  "Me",
  "Overview",
  "PlatformLink",
  "PlatformUser",
  "PortalStartBody",
  "ProfileBody",
  "SessionBody",
  "SnapshotBody",
  "UserBody",
];

/** Returns a schema without what only a reader of the specification needs. */
function bare(value) {
  if (Array.isArray(value)) return value.map(bare);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).filter(([key]) => !/^examples?$/.test(key)).map(([key, inner]) => [key, bare(inner)]));
}

/** Returns the types as text. */
export async function generate(specification) {
  const { openapi, info, components } = specification;
  const schemas = {};
  const add = (name) => {
    if (name in schemas) return;
    if (!(name in components.schemas)) throw new Error(`the specification has no schema ${name}`);
    schemas[name] = bare(components.schemas[name]);
    for (const [, inner] of JSON.stringify(schemas[name]).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) add(inner);
  };
  ROOTS.forEach(add);
  const sorted = Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1)));
  const nodes = await openapiTS({ openapi, info, paths: {}, components: { schemas: sorted } }, { alphabetize: true });
  return `// Written by generate.mjs from the specification. Do not change it by hand.\n\n${astToString(nodes)}`;
}

if (process.argv[1] === import.meta.filename) process.stdout.write(await generate(JSON.parse(readFileSync(process.argv[2], "utf8"))));
