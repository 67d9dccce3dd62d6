"""What KurrentDB's official client for Python is answered: see scripts/kurrentdb-client."""

import base64
import faulthandler
import json
import os
import sys
import uuid

import grpc
from google.protobuf.json_format import MessageToDict
from kurrentdbclient import KurrentDBClient, NewEvent, StreamState
from kurrentdbclient import exceptions
from kurrentdbclient.protos.v1 import shared_pb2, streams_pb2, streams_pb2_grpc

PREFIX = "journey.python-"


def refused(call):
    """The kind of the error that a call ends with."""
    try:
        call()
    except exceptions.WrongCurrentVersionError:
        return "wrong version"
    except exceptions.MaximumAppendSizeExceededError:
        return "too large"
    except exceptions.StreamIsDeletedError:
        return "deleted"
    except exceptions.NotFoundError:
        return "not found"
    return "accepted"


def new(number):
    """A new event."""
    data = json.dumps({"number": number}).encode()
    return NewEvent(type="Numbered", data=data, metadata=b'{"by":"journey"}')


def seen(event):
    """An event as both clients print it."""
    return {
        "stream": event.stream_name,
        "revision": event.stream_position,
        "type": event.type,
        "data": json.loads(event.data or b"null"),
        "metadata": json.loads(event.metadata or b"null"),
    }


def numbers(events):
    return [json.loads(event.data)["number"] for event in events]


def ours(prefix):
    return {"filter_include": [prefix.replace(".", r"\.") + ".*"], "filter_by_stream_name": True}


def subscribed(client, prefix, stream):
    """What a subscription brings: what was there, and one event that is appended meanwhile."""
    found = []
    with client.subscribe_to_all(**ours(prefix)) as subscription:
        for event in subscription:
            if event.stream_name != stream:
                continue
            found.append(event)
            if len(found) == 3:
                client.append_events(stream, events=[new(4)], current_version=2)
            if len(found) == 4:
                return numbers(found)
    return numbers(found)


def journey(url):
    client = KurrentDBClient(url)
    stream = f"{PREFIX}{uuid.uuid4()}"
    none = StreamState.NO_STREAM
    told = {}
    client.append_events(stream, events=[new(1), new(2)], current_version=none)
    told["revision after an append of two"] = client.get_current_version(stream)
    told["the same expectation again"] = refused(
        lambda: client.append_events(stream, events=[new(9)], current_version=none)
    )
    client.append_events(stream, events=[new(3)], current_version=1)
    told["another expectation"] = refused(
        lambda: client.append_events(stream, events=[new(9)], current_version=7)
    )
    told["forwards"] = numbers(client.read_stream(stream))
    told["the last, backwards"] = numbers(client.read_stream(stream, backwards=True, limit=1))
    told["the second event"] = {**seen(client.get_stream(stream)[1]), "stream": ""}
    told["all, filtered"] = numbers(client.read_all(**ours(stream)))
    # Without a filter of its own this client asks for all but the server's own events.
    told["types in all"] = sorted({event.type for event in client.read_all()})
    told["subscribed"] = subscribed(client, PREFIX, stream)
    large = NewEvent(type="Large", data=json.dumps({"x": "a" * 1_100_000}).encode())
    told["an append of 1.1 MB"] = refused(
        lambda: client.append_events(stream, events=[large], current_version=3)
    )
    told["a stream that never was"] = refused(lambda: client.get_stream(f"{stream}-never"))
    client.delete_stream(stream, current_version=3)
    told["read after a delete"] = refused(lambda: client.get_stream(stream))
    client.append_events(stream, events=[new(5)], current_version=none)
    told["revisions after it"] = [event.stream_position for event in client.get_stream(stream)]
    client.tombstone_stream(stream, current_version=4)
    told["read after a tombstone"] = refused(lambda: client.get_stream(stream))
    told["append after it"] = refused(
        lambda: client.append_events(stream, events=[new(9)], current_version=none)
    )
    return told


def read(url, prefix):
    client = KurrentDBClient(url)
    return [seen(event) for event in client.read_all(**ours(prefix))]


class Wire:
    """The server as it speaks, without a client's idea of it."""

    def __init__(self, url):
        user, _, address = url.split("//")[1].split("?")[0].rpartition("@")
        self.streams = streams_pb2_grpc.StreamsStub(grpc.insecure_channel(address))
        self.metadata = [("requires-leader", "true")]
        if user:
            credentials = base64.b64encode(user.encode()).decode()
            self.metadata.append(("authorization", f"Basic {credentials}"))

    def answer(self, call):
        """An answer, or the code, the message and the trailers of an error."""
        try:
            return MessageToDict(call(), preserving_proto_field_name=True)
        except grpc.RpcError as error:
            return {
                "code": error.code().name,
                "message": error.details(),
                "trailers": dict(error.trailing_metadata() or ()),
            }

    def name(self, stream):
        return shared_pb2.StreamIdentifier(stream_name=stream.encode())

    def append(self, stream, sizes, revision=None, any_revision=False):
        request = streams_pb2.AppendReq
        options = request.Options(stream_identifier=self.name(stream))
        if any_revision:
            options.any.SetInParent()
        elif revision is None:
            options.no_stream.SetInParent()
        else:
            options.revision = revision

        def parts():
            yield request(options=options)
            for size in sizes:
                message = request.ProposedMessage(
                    id=shared_pb2.UUID(string=str(uuid.uuid4())),
                    metadata={"type": "T", "content-type": "application/octet-stream"},
                    data=b"a" * size,
                )
                yield request(proposed_message=message)

        return self.answer(lambda: self.streams.Append(parts(), metadata=self.metadata))

    def delete(self, stream, method, request):
        options = request.Options(stream_identifier=self.name(stream))
        options.any.SetInParent()
        call = getattr(self.streams, method)
        return self.answer(lambda: call(request(options=options), metadata=self.metadata))

    def read(self, count=100, most=100, **options):
        """The answers to a read, and how it ends; `most` cuts off what does not end."""
        request = streams_pb2.ReadReq(options=streams_pb2.ReadReq.Options(**options))
        if count:
            request.options.count = count
        else:
            request.options.subscription.SetInParent()
        if not request.options.HasField("filter"):
            request.options.no_filter.SetInParent()
        request.options.uuid_option.string.SetInParent()
        request.options.control_option.compatibility = 1
        items = []
        call = self.streams.Read(request, metadata=self.metadata)

        def drain():
            for item in call:
                items.append(self.item(item))
                if len(items) == most:
                    break
            return streams_pb2.ReadReq()

        end = self.answer(drain) or "end"
        call.cancel()
        return {"items": items, "end": end}

    def item(self, item):
        if not item.HasField("event"):
            return MessageToDict(item, preserving_proto_field_name=True)
        event = item.event.event
        return {
            "stream": event.stream_identifier.stream_name.decode(),
            "revision": str(event.stream_revision),
            "type": event.metadata["type"],
            "content_type": event.metadata["content-type"],
            "data": event.data.decode() if len(event.data) < 100 else f"{len(event.data)} bytes",
            "custom_metadata": event.custom_metadata.decode(),
            "same_positions": item.event.commit_position
            == event.commit_position
            == event.prepare_position,
        }

    def of_stream(self, stream, **options):
        source = streams_pb2.ReadReq.Options.StreamOptions(stream_identifier=self.name(stream))
        if "revision" in options:
            source.revision = options.pop("revision")
        else:
            source.start.SetInParent()
        return self.read(stream=source, **options)

    def of_all(self, position=None, end=False, **options):
        source = streams_pb2.ReadReq.Options.AllOptions()
        if position is not None:
            source.position.commit_position = position
            source.position.prepare_position = position
        elif end:
            source.end.SetInParent()
        else:
            source.start.SetInParent()
        return self.read(all=source, **options)

    def last(self):
        return self.of_all(end=True, read_direction="Backwards", count=1)["items"][0]


def position(answer):
    found = answer.get("success", answer)["position"]
    return int(found["commit_position"])


def told_of_appends(wire):
    told = {}
    told["append of 2"] = wire.append("wire-one", [10, 10])
    told["the same expectation again"] = wire.append("wire-one", [10])
    told["expecting revision 1"] = wire.append("wire-one", [10], revision=1)
    told["expecting revision 9"] = wire.append("wire-one", [10], revision=9)
    told["expecting revision 3 of none"] = wire.append("wire-none", [10], revision=3)
    told["length of an event"] = position(wire.append("wire-one", [10], revision=2)) - position(
        told["expecting revision 1"]
    )
    for kib in (900, 1000, 1020, 1024, 1030, 1100, 3000, 4200, 17000):
        told[f"{kib} KiB"] = wire.append("wire-large", [kib * 1024], any_revision=True)
    told["3 of 400 KiB"] = wire.append("wire-large", [400 * 1024] * 3, any_revision=True)
    told["last stream position"] = wire.of_stream("wire-one")["items"][-1]
    told["from beyond the end"] = wire.of_stream("wire-one", revision=9)
    return told


def told_of_deletions(wire):
    told = {}
    wire.append("wire-soft", [1, 1, 1])
    told["delete"] = sorted(wire.delete("wire-soft", "Delete", streams_pb2.DeleteReq))
    told["last of all after it"] = wire.last()
    told["read of it"] = wire.of_stream("wire-soft")
    told["expecting none"] = wire.append("wire-soft", [2])["success"]["current_revision"]
    told["settings"] = wire.of_stream("$$wire-soft")
    told["expecting revision 2"] = wire.append("wire-soft", [2], revision=2)
    told["read again"] = wire.of_stream("wire-soft")
    wire.append("wire-hard", [1, 1])
    told["tombstone"] = sorted(wire.delete("wire-hard", "Tombstone", streams_pb2.TombstoneReq))
    told["last of all after that"] = wire.last()
    told["read of a tombstone"] = wire.of_stream("wire-hard")
    told["append to a tombstone"] = wire.append("wire-hard", [1])
    told["delete of a tombstone"] = wire.delete("wire-hard", "Delete", streams_pb2.DeleteReq)
    told["read of none"] = wire.of_stream("wire-never")
    return told


def told_of_positions(wire):
    there = position(wire.append("wire-place", [100]))
    told = {"read at": len(wire.of_all(position=there)["items"]) > 0}
    told["read inside"] = wire.of_all(position=there + 1)
    told["subscription inside"] = wire.of_all(position=there + 1, count=0)
    told["subscription beyond"] = wire.of_all(position=there + 1_000_000, count=0, most=2)
    told["subscription to the end"] = wire.of_all(end=True, count=0, most=2)
    return told


def wire(url):
    server = Wire(url)
    return {**told_of_appends(server), **told_of_deletions(server), **told_of_positions(server)}


def rights(url):
    server = Wire(url)
    return {
        "read $all": server.of_all(most=1)["end"],
        "append": server.append("wire-rights", [1], any_revision=True),
    }


TASKS = {"journey": journey, "read": read, "wire": wire, "rights": rights}

if __name__ == "__main__":
    # Whatever hangs is reported with where it hangs.
    faulthandler.dump_traceback_later(60, exit=True)
    print(json.dumps(TASKS[sys.argv[1]](*sys.argv[2:])), flush=True)
    # The client may wait without end when it is taken apart.
    os._exit(0)
