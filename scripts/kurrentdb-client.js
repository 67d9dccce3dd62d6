// What KurrentDB's official client for JavaScript is answered: see scripts/kurrentdb-client.
"use strict";

const { randomUUID } = require("crypto");
const path = require("path");
const {
    KurrentDBClient,
    excludeSystemEvents,
    jsonEvent,
    streamNameFilter,
} = require("@kurrent/kurrentdb-client");

const PREFIX = "journey.node-";

const KINDS = {
    "wrong-expected-version": "wrong version",
    "maximum-append-size-exceeded": "too large",
    "stream-deleted": "deleted",
    "stream-not-found": "not found",
};

/** The kind of the error that a call ends with. */
async function refused(call) {
    try {
        await call();
    } catch (error) {
        if (error.type in KINDS) return KINDS[error.type];
        throw error;
    }
    return "accepted";
}

const numbered = (number) =>
    jsonEvent({ type: "Numbered", data: { number }, metadata: { by: "journey" } });

/** An event as both clients print it. */
const seen = ({ event }) => ({
    stream: event.streamId,
    revision: Number(event.revision),
    type: event.type,
    data: event.data,
    metadata: event.metadata ?? null,
});

async function collected(events) {
    const found = [];
    for await (const event of events) found.push(event);
    return found;
}

const numbers = (events) => events.map(({ event }) => event.data.number);

const ours = (prefix) => ({ filter: streamNameFilter({ prefixes: [prefix] }) });

/** What a subscription brings: what was there, and one event that is appended meanwhile. */
async function subscribed(client, prefix, stream) {
    const found = [];
    const subscription = client.subscribeToAll({ fromPosition: "start", ...ours(prefix) });
    for await (const event of subscription) {
        if (event.event.streamId !== stream) continue;
        found.push(event);
        if (found.length === 3) {
            await client.appendToStream(stream, [numbered(4)], { streamState: 2n });
        }
        if (found.length === 4) break;
    }
    await subscription.unsubscribe();
    return numbers(found);
}

async function journey(url) {
    const client = KurrentDBClient.connectionString(url);
    const stream = `${PREFIX}${randomUUID()}`;
    const append = (events, streamState) => client.appendToStream(stream, events, { streamState });
    const read = (options) => collected(client.readStream(stream, options));
    const told = {};
    const first = await append([numbered(1), numbered(2)], "no_stream");
    told["revision after an append of two"] = Number(first.nextExpectedRevision);
    told["the same expectation again"] = await refused(() => append([numbered(9)], "no_stream"));
    await append([numbered(3)], 1n);
    told["another expectation"] = await refused(() => append([numbered(9)], 7n));
    told["forwards"] = numbers(await read());
    const last = { direction: "backwards", fromRevision: "end", maxCount: 1 };
    told["the last, backwards"] = numbers(await read(last));
    told["the second event"] = { ...seen((await read())[1]), stream: "" };
    told["all, filtered"] = numbers(await collected(client.readAll(ours(stream))));
    const all = await collected(client.readAll({ filter: excludeSystemEvents() }));
    told["types in all"] = [...new Set(all.map(({ event }) => event.type))].sort();
    told["subscribed"] = await subscribed(client, PREFIX, stream);
    const large = jsonEvent({ type: "Large", data: { x: "a".repeat(1_100_000) } });
    told["an append of 1.1 MB"] = await refused(() => append([large], 3n));
    const never = () => collected(client.readStream(`${stream}-never`));
    told["a stream that never was"] = await refused(never);
    await client.deleteStream(stream, { expectedRevision: 3n });
    told["read after a delete"] = await refused(read);
    await append([numbered(5)], "no_stream");
    told["revisions after it"] = (await read()).map((event) => seen(event).revision);
    await client.tombstoneStream(stream, { expectedRevision: 4n });
    told["read after a tombstone"] = await refused(read);
    told["append after it"] = await refused(() => append([numbered(9)], "no_stream"));
    return told;
}

async function read(url, prefix) {
    const client = KurrentDBClient.connectionString(url);
    return (await collected(client.readAll(ours(prefix)))).map(seen);
}

/** What the server says of itself, without the client's idea of it. */
async function features(url) {
    const protocols = path.join(
        path.dirname(require.resolve("@kurrent/kurrentdb-client")),
        "../generated/kurrentdb/protocols/v1",
    );
    const { ServerFeaturesClient } = require(path.join(protocols, "serverfeatures_grpc_pb"));
    const { Empty } = require(path.join(protocols, "shared_pb"));
    const { credentials } = require("@grpc/grpc-js");
    const address = url.split("//")[1].split("?")[0];
    const client = new ServerFeaturesClient(address, credentials.createInsecure());
    const answer = await new Promise((resolve, reject) =>
        client.getSupportedMethods(new Empty(), (error, found) =>
            error ? reject(error) : resolve(found),
        ),
    );
    const { methodsList, eventStoreServerVersion } = answer.toObject();
    const methods = methodsList.map(({ methodName, serviceName, featuresList }) => [
        serviceName,
        methodName,
        featuresList,
    ]);
    return { version: eventStoreServerVersion, methods };
}

const [task, ...rest] = process.argv.slice(2);
const tasks = { journey, read, features };
tasks[task](...rest).then(
    (told) => {
        console.log(JSON.stringify(told));
        process.exit(0);
    },
    (error) => {
        console.error(error);
        process.exit(1);
    },
);
