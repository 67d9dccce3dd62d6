// Writes the types of what the client sends and hands out, from the specification:
// node generate.mjs openapi.json typescript/src/generated.ts
// With --check it only says whether the file is what it would write.
import { readFileSync, writeFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";

/** The schemas that the client names. Those that they are made of come along. */
const ROOTS = [
  "AccessTokenBody",
  "ActiveToken",
  "AttributeAnswer",
  "BatchAnswer",
  "ChosenCodeAnswer",
  "Creator",
  "DeviceList",
  "ErasureAnswer",
  "InviteeList",
  "IssuedTokens",
  "Me",
  "Overview",
  "PlatformLink",
  "PlatformUser",
  "PortalSessionList",
  "PortalStartBody",
  "ProfileBody",
  "RevokedOthers",
  "RevokedSessions",
  "SessionList",
  "SnapshotBody",
  "StartedLogin",
  "StartedPortalLogin",
  "TokenDelivery",
  "UserAnswer",
];

/** Returns a schema without what only a reader of the specification needs. */
function bare(value) {
  if (Array.isArray(value)) return value.map(bare);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).filter(([key]) => !/^examples?$/.test(key)).map(([key, inner]) => [key, bare(inner)]));
}

/** Returns the types as text. */
async function generate(specification) {
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

const [specification, file, check] = process.argv.slice(2);
const text = await generate(JSON.parse(readFileSync(specification, "utf8")));
if (check !== "--check") writeFileSync(file, text);
else if (readFileSync(file, "utf8") !== text) {
  console.error(`${file} is not what the specification says; WHENCE_UPDATE_DOCS=1 scripts/sdk-typescript writes it`);
  process.exit(1);
}
