"""
Phoenix's Python client, unmodified: every method of its resources, against the server at a URL.

    python python_client.py URL sync|async

Prints one JSON object: the error of each case (null when it held), the methods that exist, and those whose code ran.
"""

import asyncio
import inspect
import json
import sys
import tempfile
import threading
import time
import traceback
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
from phoenix.client import AsyncClient, Client
from phoenix.client.helpers.spans import get_input_output_context, get_retrieved_documents
from phoenix.client.helpers.spans.rag import async_get_input_output_context, async_get_retrieved_documents
from phoenix.client.resources import datasets, experiments, projects, sessions, spans, traces
from phoenix.client.types.spans import SpanQuery

URL, FLAVOUR = sys.argv[1:3]
answer, sys.stdout = sys.stdout, sys.stderr  # the client prints what it is doing
ASYNC = FLAVOUR == "async"
RESOURCES = {
    "Projects": projects,
    "Spans": spans,
    "Traces": traces,
    "Sessions": sessions,
    "Datasets": datasets,
    "Experiments": experiments,
}
FILES = {module.__file__ for module in RESOURCES.values()}
loop = asyncio.new_event_loop()
client = AsyncClient(base_url=URL) if ASYNC else Client(base_url=URL)

called = set()


def record(frame, event, _argument):
    if event == "call" and frame.f_code.co_filename in FILES:
        called.add(frame.f_code.co_qualname)


def call(method, *arguments, **named):
    """Runs a method of the client, of either flavour, and notes whose code ran."""
    sys.setprofile(record)
    threading.setprofile(record)
    try:
        result = method(*arguments, **named)
        return loop.run_until_complete(result) if inspect.isawaitable(result) else result
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def public_methods():
    """The methods of the resources that are meant to be called."""
    names = set()
    for name, module in RESOURCES.items():
        name = f"Async{name}" if ASYNC else name
        members = inspect.getmembers(getattr(module, name), inspect.isfunction)
        names.update(f"{name}.{member}" for member, _ in members if not member.startswith("_"))
    return names


cases = {}


def case(function):
    cases[function.__name__.replace("_", " ")] = function
    return function


def hex_id(digits):
    return uuid.uuid4().hex[:digits]


def eventually(read, until, seconds=30):
    """Reads until it holds: some of the client's calls are answered before they are done."""
    deadline = time.monotonic() + seconds
    while not until(value := read()):
        assert time.monotonic() < deadline, f"still {value!r}"
        time.sleep(0.05)
    return value


def refused(error, method, **named):
    try:
        call(method, **named)
    except error as found:
        return found
    raise AssertionError(f"{method} was not refused")


RUN = hex_id(12)
PROJECT = f"py-{RUN}"
SESSION = f"session-{RUN}"
START = datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=timezone.utc)
TRACES = [hex_id(32), hex_id(32)]
ROOT, RETRIEVER, LLM, SECOND = (hex_id(16) for _ in range(4))


def span(span_id, name, kind, *, trace=0, parent=None, at=0.0, seconds=1.0, status="OK", message="", attributes=None):
    start = START + timedelta(seconds=at)
    return {
        "name": name,
        "context": {"trace_id": TRACES[trace], "span_id": span_id},
        "span_kind": kind,
        **({"parent_id": parent} if parent else {}),
        "start_time": start.isoformat(),
        "end_time": (start + timedelta(seconds=seconds)).isoformat(),
        "status_code": status,
        "status_message": message,
        "attributes": attributes or {},
    }


SPANS = [
    span(
        ROOT,
        "answer",
        "CHAIN",
        seconds=3,
        attributes={
            "session.id": SESSION,
            "user.id": "u-1",
            "input.value": "Why?",
            "output.value": "Because.",
            "metadata": {"tier": "gold", "n": 2},
            "custom.inner.key": "x",
        },
    ),
    span(
        RETRIEVER,
        "retrieve",
        "RETRIEVER",
        parent=ROOT,
        at=0.5,
        attributes={
            "input.value": "why",
            "retrieval.documents.0.document.content": "first",
            "retrieval.documents.0.document.score": 0.75,
            "retrieval.documents.1.document.content": "second",
        },
    ),
    span(
        LLM,
        "generate",
        "LLM",
        parent=ROOT,
        at=1,
        seconds=0.25,
        status="ERROR",
        message="cut off",
        attributes={
            "llm.model_name": "some-model",
            "llm.token_count.prompt": 10,
            "llm.token_count.completion": 5,
            "llm.token_count.total": 15,
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": "Why?",
        },
    ),
    span(
        SECOND,
        "answer",
        "CHAIN",
        trace=1,
        at=60,
        attributes={"session.id": SESSION, "input.value": "How?", "output.value": "So."},
    ),
]


def seed():
    call(client.projects.create, name=PROJECT, description="of the tests")
    logged = call(client.spans.log_spans, project_identifier=PROJECT, spans=SPANS)
    assert logged == {"total_received": 4, "total_queued": 4}, logged
    eventually(lambda: call(client.spans.get_spans, project_identifier=PROJECT), lambda found: len(found) == 4)


def names(found):
    return sorted(one["name"] for one in found)


@case
def projects_are_created_listed_read_changed_and_deleted():
    name = f"{PROJECT}-made"
    made = call(client.projects.create, name=name, description="first")
    assert (made["name"], made["description"]) == (name, "first"), made
    assert [one["name"] for one in call(client.projects.list, name_contains=name)] == [name]
    assert {PROJECT, name} <= {one["name"] for one in call(client.projects.list)}
    assert call(client.projects.get, project_name=name)["id"] == made["id"]
    changed = call(client.projects.update, project_id=made["id"], description="second")
    assert changed["description"] == "second", changed
    assert call(client.projects.get, project_id=made["id"])["description"] == "second"
    call(client.projects.delete, project_id=made["id"])
    assert call(client.projects.list, name_contains=name) == []


@case
def get_spans_finds_spans_by_every_filter():
    def found(**filters):
        return names(call(client.spans.get_spans, project_identifier=PROJECT, **filters))

    assert found() == ["answer", "answer", "generate", "retrieve"]
    assert found(trace_ids=[TRACES[1]]) == ["answer"]
    assert found(span_ids=[LLM, RETRIEVER]) == ["generate", "retrieve"]
    assert found(parent_id="null") == ["answer", "answer"]
    assert found(parent_id=ROOT) == ["generate", "retrieve"]
    assert found(name="generate") == ["generate"]
    assert found(span_kind=["LLM", "RETRIEVER"]) == ["generate", "retrieve"]
    assert found(status_code="ERROR") == ["generate"]
    assert found(attributes={"llm.token_count.total": 15, "llm.model_name": "some-model"}) == ["generate"]
    assert found(start_time=START + timedelta(seconds=1)) == ["answer", "generate"]
    assert found(end_time=START + timedelta(seconds=1)) == ["answer", "retrieve"]
    assert len(found(limit=2)) == 2
    (one,) = call(client.spans.get_spans, project_identifier=PROJECT, name="generate")
    assert one["context"] == {"trace_id": TRACES[0], "span_id": LLM}, one
    assert (one["span_kind"], one["parent_id"], one["status_code"], one["status_message"]) == (
        "LLM",
        ROOT,
        "ERROR",
        "cut off",
    ), one
    assert one["start_time"] == "2026-01-02T03:04:06.123456+00:00", one


@case
def get_spans_dataframe_has_one_column_an_attribute():
    frame = call(client.spans.get_spans_dataframe, project_identifier=PROJECT)
    assert frame.index.name == "context.span_id"
    assert list(frame.index) == [SECOND, LLM, RETRIEVER, ROOT], list(frame.index)
    assert set(frame.columns) >= {
        "name",
        "span_kind",
        "parent_id",
        "start_time",
        "end_time",
        "status_code",
        "status_message",
        "events",
        "context.span_id",
        "context.trace_id",
        "attributes.llm.model_name",
        "attributes.llm.token_count.total",
        "attributes.llm.input_messages",
        "attributes.retrieval.documents",
        "attributes.session.id",
        "attributes.metadata",
        "attributes.custom",
    }, sorted(frame.columns)
    row = frame.loc[ROOT]
    assert row["attributes.metadata"] == {"tier": "gold", "n": 2}, row["attributes.metadata"]
    assert row["attributes.custom"] == {"inner": {"key": "x"}}, row["attributes.custom"]
    assert row["start_time"] == pd.Timestamp(START), row["start_time"]
    assert frame.loc[LLM]["attributes.llm.input_messages"] == [{"message.role": "user", "message.content": "Why?"}]
    documents = frame.loc[RETRIEVER]["attributes.retrieval.documents"]
    assert documents == [
        {"document.content": "first", "document.score": 0.75},
        {"document.content": "second"},
    ], documents
    assert frame.loc[LLM]["attributes.llm.token_count.total"] == 15
    later = call(client.spans.get_spans_dataframe, project_name=PROJECT, start_time=START + timedelta(seconds=2), limit=5)
    assert list(later.index) == [SECOND]
    roots = call(client.spans.get_spans_dataframe, project_identifier=PROJECT, root_spans_only=True)
    assert list(roots.index) == [SECOND, ROOT]
    by_id = call(client.projects.get, project_name=PROJECT)["id"]
    assert len(call(client.spans.get_spans_dataframe, project_identifier=by_id)) == 4


CONDITIONS = {
    "span_kind == 'LLM'": ["generate"],
    "span_kind in ['LLM', 'RETRIEVER']": ["generate", "retrieve"],
    "span_kind != 'CHAIN' and status_code == 'ERROR'": ["generate"],
    "name == 'answer' or name == 'retrieve'": ["answer", "answer", "retrieve"],
    "not (name == 'answer')": ["generate", "retrieve"],
    "parent_id is None": ["answer", "answer"],
    "parent_span is None": ["answer", "answer"],
    "parent_id is not None": ["generate", "retrieve"],
    "latency_ms > 500": ["answer", "answer", "retrieve"],
    "latency_ms >= 250 and latency_ms < 1000": ["generate"],
    "llm.token_count.total >= 15": ["generate"],
    "llm.model_name == 'some-model'": ["generate"],
    "'some' in llm.model_name": ["generate"],
    "'nothing' not in name and span_kind == 'LLM'": ["generate"],
    "attributes['custom']['inner']['key'] == 'x'": ["answer"],
    "metadata['tier'] == 'gold'": ["answer"],
    "metadata['n'] == 2": ["answer"],
    "metadata['n'] > 2": [],
    "user.id == 'u-1'": ["answer"],
    "'WHY' in input.value": ["answer", "retrieve"],
    "'cut' in status_message": ["generate"],
    "start_time >= '2026-01-02T03:05:00+00:00'": ["answer"],
    "cumulative_llm_token_count_total > 10": ["answer", "generate"],
    "annotations['tone'].score > 0.5": ["generate"],
    "annotations['tone'].label == 'kind'": ["generate"],
    "evals['tone'].score < 0.5": ["answer"],
    "trace_id == '%s'" % TRACES[1]: ["answer"],
    "span_id == '%s'" % LLM: ["generate"],
    "no.such.key == 'x'": [],
}


@case
def spans_are_found_by_conditions():
    for span_id, label, score in ((LLM, "kind", 0.75), (ROOT, "cold", 0.25)):
        call(
            client.spans.add_span_annotation,
            span_id=span_id,
            annotation_name="tone",
            label=label,
            score=score,
            annotator_kind="CODE",
            sync=True,
        )
    wrong = {}
    for condition, expected in CONDITIONS.items():
        query = SpanQuery().where(condition).select("name")
        try:
            frame = call(client.spans.get_spans_dataframe, query=query, project_identifier=PROJECT)
            found = sorted(frame["name"]) if len(frame) else []
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
        if found != expected:
            wrong[condition] = found
    assert wrong == {}, wrong


@case
def queries_select_rename_explode_and_concatenate():
    def frame(query):
        return call(client.spans.get_spans_dataframe, query=query, project_identifier=PROJECT)

    selected = frame(SpanQuery().where("span_kind == 'LLM'").select("name", "llm.model_name", "latency_ms"))
    assert selected.to_dict("list") == {"name": ["generate"], "llm.model_name": ["some-model"], "latency_ms": [250.0]}, selected
    renamed = frame(SpanQuery().select("name", "input.value").rename(name="title").where("parent_id is None"))
    assert sorted(renamed["title"]) == ["answer", "answer"], renamed
    exploded = frame(
        SpanQuery()
        .where("span_kind == 'RETRIEVER'")
        .select("trace_id")
        .explode("retrieval.documents", text="document.content", score="document.score")
    )
    assert exploded.index.names == ["context.span_id", "document_position"], exploded.index.names
    assert list(exploded["text"]) == ["first", "second"], exploded
    assert list(exploded.index) == [(RETRIEVER, 0), (RETRIEVER, 1)], list(exploded.index)
    joined = frame(
        SpanQuery().where("span_kind == 'RETRIEVER'").concat("retrieval.documents", reference="document.content")
    )
    assert list(joined["reference"]) == ["first\n\nsecond"], joined
    by_trace = frame(SpanQuery().where("parent_id is None").select("input.value").with_index("trace_id"))
    assert sorted(by_trace.index) == sorted(TRACES), by_trace
    documents, qa = (
        (async_get_retrieved_documents, async_get_input_output_context)
        if ASYNC
        else (get_retrieved_documents, get_input_output_context)
    )
    retrieved = call(documents, client, project_identifier=PROJECT)
    assert list(retrieved["document"]) == ["first", "second"], retrieved
    answers = call(qa, client, project_identifier=PROJECT)
    assert list(answers["context"]) == ["first\n\nsecond"], answers


@case
def span_annotations_and_notes_are_written_and_read():
    added = call(
        client.spans.add_span_annotation,
        span_id=LLM,
        annotation_name="quality",
        annotator_kind="LLM",
        label="good",
        score=0.5,
        explanation="why",
        metadata={"model": "m"},
        identifier="run-1",
        sync=True,
    )
    note = call(client.spans.add_span_note, span_id=LLM, note="look at this")
    logged = call(
        client.spans.log_span_annotations,
        span_annotations=[{"span_id": ROOT, "name": "quality", "annotator_kind": "HUMAN", "result": {"score": 1}}],
        sync=True,
    )
    frame = pd.DataFrame({"span_id": [ROOT, LLM], "label": ["fast", "slow"], "score": [1.0, 0.0]})
    from_frame = call(
        client.spans.log_span_annotations_dataframe,
        dataframe=frame,
        annotator_kind="CODE",
        annotation_name="speed",
        sync=True,
    )
    assert len({added["id"], note["id"], logged[0]["id"], *(one["id"] for one in from_frame)}) == 5

    def read(**options):
        return call(client.spans.get_span_annotations, project_identifier=PROJECT, **options)

    (quality,) = read(span_ids=[LLM], include_annotation_names=["quality"])
    assert quality["id"] == added["id"]
    assert quality["result"] == {"label": "good", "score": 0.5, "explanation": "why"}, quality
    assert (quality["metadata"], quality["identifier"]) == ({"model": "m"}, "run-1"), quality
    of_llm = {one["name"] for one in read(spans=[one for one in SPANS if one["name"] == "generate"])}
    assert of_llm == {"quality", "speed", "tone"}, of_llm  # this client leaves notes out
    assert {one["name"] for one in read(span_ids=[ROOT], exclude_annotation_names=["speed"])} == {"quality", "tone"}
    table = call(
        client.spans.get_span_annotations_dataframe, span_ids=[ROOT, LLM], project_identifier=PROJECT, limit=100
    )
    assert table.index.name == "span_id"
    speed = table[table["annotation_name"] == "speed"]
    assert dict(zip(speed.index, speed["result.label"])) == {ROOT: "fast", LLM: "slow"}, table
    of_frame = call(
        client.spans.get_span_annotations_dataframe,
        spans_dataframe=call(client.spans.get_spans_dataframe, project_identifier=PROJECT),
        project_identifier=PROJECT,
        include_annotation_names=["speed"],
    )
    assert len(of_frame) == 2, of_frame
    # Without `sync` nothing comes back, and the annotation follows.
    assert call(client.spans.add_span_annotation, span_id=LLM, annotation_name="late", score=1) is None
    eventually(lambda: read(span_ids=[LLM], include_annotation_names=["late"]), lambda found: len(found) == 1)


@case
def document_annotations_are_taken():
    one = call(
        client.spans.add_document_annotation,
        span_id=RETRIEVER,
        document_position=0,
        annotation_name="relevance",
        annotator_kind="LLM",
        score=1.0,
        sync=True,
    )
    both = call(
        client.spans.log_document_annotations,
        document_annotations=[
            {
                "span_id": RETRIEVER,
                "document_position": position,
                "name": "relevance",
                "annotator_kind": "LLM",
                "result": {"label": "relevant"},
            }
            for position in (0, 1)
        ],
        sync=True,
    )
    frame = pd.DataFrame({"span_id": [RETRIEVER] * 2, "document_position": [0, 1], "score": [1.0, 0.5]})
    from_frame = call(
        client.spans.log_document_annotations_dataframe,
        dataframe=frame,
        annotation_name="rank",
        annotator_kind="CODE",
        sync=True,
    )
    assert one["id"] == both[0]["id"]
    assert len({each["id"] for each in both + from_frame}) == 4


@case
def spans_are_logged_from_a_dataframe_refused_twice_and_deleted():
    own = f"{PROJECT}-logged"
    call(client.projects.create, name=own)
    ids = [hex_id(16), hex_id(16)]
    frame = pd.DataFrame(
        {
            "name": ["one", "two"],
            "span_kind": ["CHAIN", "TOOL"],
            "context.span_id": ids,
            "context.trace_id": [hex_id(32)] * 2,
            "parent_id": [None, ids[0]],
            "start_time": [START, START],
            "end_time": [START + timedelta(seconds=1)] * 2,
            "status_code": ["OK", "UNSET"],
            "attributes.tool.name": [None, "hammer"],
        }
    )
    logged = call(client.spans.log_spans_dataframe, project_identifier=own, spans_dataframe=frame)
    assert logged["total_queued"] == 2, logged
    found = eventually(lambda: call(client.spans.get_spans, project_identifier=own), lambda found: len(found) == 2)
    assert names(found) == ["one", "two"]
    assert [one["attributes"].get("tool.name") for one in found if one["name"] == "two"] == ["hammer"], found
    refusal = refused(
        spans.SpanCreationError, client.spans.log_spans_dataframe, project_identifier=own, spans_dataframe=frame
    )
    assert {one["span_id"] for one in refusal.duplicate_spans} == set(ids), refusal.duplicate_spans
    broken = {**SPANS[0], "start_time": "never"}
    refused(spans.SpanCreationError, client.spans.log_spans, project_identifier=own, spans=[broken])
    call(client.spans.delete, span_identifier=ids[0])
    (left,) = call(client.spans.get_spans, project_identifier=own)
    assert left["context"]["span_id"] == ids[1]
    call(client.spans.delete, span_identifier=left["id"])
    assert call(client.spans.get_spans, project_identifier=own) == []


@case
def traces_are_sorted_filtered_and_annotated():
    def found(**options):
        return [one["trace_id"] for one in call(client.traces.get_traces, project_identifier=PROJECT, **options)]

    assert found() == TRACES[::-1]
    assert found(sort="latency_ms", order="desc") == TRACES
    assert found(sort="start_time", order="asc", limit=1) == TRACES[:1]
    assert found(start_time=START + timedelta(seconds=1)) == TRACES[1:]
    assert found(end_time=START + timedelta(seconds=1)) == TRACES[:1]
    assert set(found(session_id=SESSION)) == set(TRACES)
    assert found(error=True) == TRACES[:1]
    assert found(error=False) == TRACES[1:]
    assert found(min_latency_ms=2000) == TRACES[:1]
    assert found(max_latency_ms=2000) == TRACES[1:]
    whole = call(client.traces.get_traces, project_identifier=PROJECT, include_spans=True, error=True)[0]
    assert names(whole["spans"]) == ["answer", "generate", "retrieve"], whole
    assert (whole["token_count_prompt"], whole["token_count_total"]) == (10, 15), whole
    added = call(
        client.traces.add_trace_annotation, trace_id=TRACES[0], annotation_name="correct", score=1.0, sync=True
    )
    logged = call(
        client.traces.log_trace_annotations,
        trace_annotations=[
            {"trace_id": TRACES[0], "name": "tone", "annotator_kind": "LLM", "result": {"label": "kind"}}
        ],
        sync=True,
    )
    frame = pd.DataFrame({"trace_id": TRACES, "label": ["a", "b"]})
    from_frame = call(
        client.traces.log_trace_annotations_dataframe,
        dataframe=frame,
        annotation_name="group",
        annotator_kind="CODE",
        sync=True,
    )
    assert len({each["id"] for each in [added, *logged, *from_frame]}) == 4
    query = SpanQuery().where("trace_annotations['tone'].label == 'kind'").select("name")
    frame = call(client.spans.get_spans_dataframe, query=query, project_identifier=PROJECT)
    assert sorted(frame["name"]) == ["answer", "generate", "retrieve"], frame


@case
def sessions_are_listed_read_turn_by_turn_annotated_and_deleted():
    (listed,) = call(client.sessions.list, project_name=PROJECT)
    assert (listed["session_id"], len(listed["traces"])) == (SESSION, 2), listed
    assert call(client.sessions.get, session_id=SESSION) == listed
    assert call(client.sessions.get, session_id=listed["id"]) == listed
    frame = call(client.sessions.get_sessions_dataframe, project_name=PROJECT, limit=10)
    assert frame[["session_id", "num_traces"]].to_dict("records") == [{"session_id": SESSION, "num_traces": 2}]
    turns = call(client.sessions.get_session_turns, session_id=SESSION)
    assert [(turn["input"]["value"], turn["output"]["value"]) for turn in turns] == [("Why?", "Because."), ("How?", "So.")]
    added = call(
        client.sessions.add_session_annotation, session_id=SESSION, annotation_name="mood", label="good", sync=True
    )
    logged = call(
        client.sessions.log_session_annotations,
        session_annotations=[
            {"session_id": SESSION, "name": "length", "annotator_kind": "CODE", "result": {"score": 2}}
        ],
        sync=True,
    )
    from_frame = call(
        client.sessions.log_session_annotations_dataframe,
        dataframe=pd.DataFrame({"session_id": [SESSION], "score": [1.0]}),
        annotation_name="resolved",
        annotator_kind="HUMAN",
        sync=True,
    )
    assert len({each["id"] for each in [added, *logged, *from_frame]}) == 3
    own = f"{PROJECT}-sessions"
    call(client.projects.create, name=own)
    ids = [f"{letter}-{RUN}" for letter in "abc"]
    made = [
        {
            **span(hex_id(16), "turn", "CHAIN", attributes={"session.id": session_id}),
            "context": {"trace_id": hex_id(32), "span_id": hex_id(16)},
        }
        for session_id in ids
    ]
    call(client.spans.log_spans, project_identifier=own, spans=made)
    eventually(lambda: call(client.sessions.list, project_name=own), lambda found: len(found) == 3)
    call(client.sessions.delete, session_id=ids[0])
    call(client.sessions.bulk_delete, session_ids=ids[1:])
    assert call(client.sessions.list, project_name=own) == []
    assert call(client.spans.get_spans, project_identifier=own) == []


def example(question, answer):
    return {"input": {"q": question}, "output": {"a": answer}, "metadata": {"from": "test"}}


@case
def datasets_are_created_in_every_form_appended_listed_and_versioned():
    name = f"{PROJECT}-cities"
    made = call(
        client.datasets.create_dataset,
        name=name,
        dataset_description="capitals",
        examples=[
            {**example("France", "Paris"), "splits": ["train"], "id": "fr"},
            {**example("Japan", "Tokyo"), "splits": "test"},
        ],
    )
    assert (made.name, made.description, len(made)) == (name, "capitals", 2), made
    grown = call(client.datasets.add_examples_to_dataset, dataset=made, inputs=[{"q": "Peru"}], outputs=[{"a": "Lima"}])
    assert (grown.id, len(grown), grown.version_id != made.version_id) == (made.id, 3, True)
    assert [one["input"]["q"] for one in grown.examples] == ["France", "Japan", "Peru"], grown.examples
    first = call(client.datasets.get_dataset, dataset=name, version_id=made.version_id)
    assert [one["output"]["a"] for one in first] == ["Paris", "Tokyo"]
    train = call(client.datasets.get_dataset, dataset=made.id, splits=["train"])
    assert [one["id"] for one in train] == ["fr"], train.examples
    versions = call(client.datasets.get_dataset_versions, dataset=name)
    assert [one["version_id"] for one in versions] == [grown.version_id, made.version_id], versions
    assert call(client.datasets.get_dataset_versions, dataset=grown, limit=1)[0]["version_id"] == grown.version_id
    assert made.id in {one["id"] for one in call(client.datasets.list)}
    assert len(call(client.datasets.list, limit=1)) == 1
    assert list(grown.to_dataframe()["input"]) == [{"q": "France"}, {"q": "Japan"}, {"q": "Peru"}]
    assert datasets.Dataset.from_dict(grown.to_dict()).to_dict() == grown.to_dict()
    table = pd.DataFrame({"q": ["Chile", "Ghana"], "a": ["Santiago", "Accra"], "n": [1, 2], "part": ["x", "y"]})
    keys = {"input_keys": ["q"], "output_keys": ["a"], "metadata_keys": ["n"]}
    framed = call(client.datasets.create_dataset, name=f"{name}-frame", dataframe=table, split_keys=["part"], **keys)
    assert [one["input"] for one in framed] == [{"q": "Chile"}, {"q": "Ghana"}], framed.examples
    assert len(call(client.datasets.get_dataset, dataset=framed, splits=["y"])) == 1
    with tempfile.TemporaryDirectory() as directory:
        plain = Path(directory) / "cities.csv"
        table.to_csv(plain, index=False)
        from_file = call(client.datasets.create_dataset, name=f"{name}-csv", csv_file_path=plain, **keys)
        assert [one["output"] for one in from_file] == [{"a": "Santiago"}, {"a": "Accra"}], from_file.examples
        more = call(client.datasets.add_examples_to_dataset, dataset=from_file, csv_file_path=plain, **keys)
        assert len(more) == 2, more.examples  # examples without ids that are there already are not doubled
    refused(Exception, client.datasets.get_dataset, dataset=f"{name}-missing")


def capitals(input):
    if input["q"] == "Atlantis":
        raise ValueError("no such place")
    return "Paris" if input["q"] == "France" else "unknown"


def exact(output, expected):
    return output == expected["a"]


def labelled(output):
    return {"score": 1.0, "label": "short", "explanation": "few letters"}


def experiment_dataset():
    try:
        return call(client.datasets.get_dataset, dataset=f"{PROJECT}-experiments")
    except ValueError:
        return call(
            client.datasets.create_dataset,
            name=f"{PROJECT}-experiments",
            examples=[example("France", "Paris"), example("Japan", "Tokyo"), example("Atlantis", "none")],
        )


def evaluations_of(experiment_id):
    ran = call(client.experiments.get_experiment, experiment_id=experiment_id)
    return sorted(
        f"{one.name} {one.result.get('label')} {float(one.result['score'])}" for one in ran["evaluation_runs"]
    )


@case
def an_experiment_is_run_read_and_evaluated_again():
    dataset = experiment_dataset()
    quiet = {"print_summary": False, "retries": 0}
    ran = call(
        client.experiments.run_experiment,
        dataset=dataset,
        task=capitals,
        evaluators={"exact": exact},
        experiment_name="first",
        experiment_description="the first",
        experiment_metadata={"temperature": 0},
        repetitions=2,
        **quiet,
    )
    assert len(ran["task_runs"]) == 6, ran["task_runs"]
    assert sorted(str(run["output"] or run["error"]) for run in ran["task_runs"]) == sorted(
        ["Paris"] * 2 + ["unknown"] * 2 + [repr(ValueError("no such place"))] * 2
    ), ran["task_runs"]
    info = call(client.experiments.get, experiment_id=ran["experiment_id"])
    assert (info["example_count"], info["successful_run_count"], info["failed_run_count"]) == (3, 4, 2), info
    assert (info["metadata"], info["repetitions"]) == ({"temperature": 0}, 2), info
    first = evaluations_of(ran["experiment_id"])
    assert first == ["exact False 0.0"] * 4 + ["exact True 1.0"] * 2, first
    read = call(client.experiments.get_experiment, experiment_id=ran["experiment_id"])
    assert len(read["task_runs"]) == 6 and len(read["evaluation_runs"]) == 6, read
    call(client.experiments.evaluate_experiment, experiment=read, evaluators=[labelled], **quiet)
    assert evaluations_of(ran["experiment_id"]).count("labelled short 1.0") == 6
    shown = eventually(
        lambda: call(client.spans.get_spans, project_identifier=ran["project_name"]), lambda found: len(found) >= 6
    )
    assert set(names(shown)) == {"Task: capitals"}, names(shown)
    dry = call(client.experiments.run_experiment, dataset=dataset, task=capitals, dry_run=1, **quiet)
    assert dry["experiment_id"].startswith("DRY_RUN"), dry["experiment_id"]
    listed = call(client.experiments.list, dataset_id=dataset.id)
    assert ran["experiment_id"] in {one["id"] for one in listed}, listed
    assert dry["experiment_id"] not in {one["id"] for one in listed}, listed
    call(client.experiments.delete, experiment_id=ran["experiment_id"], delete_project=True)
    assert ran["experiment_id"] not in {one["id"] for one in call(client.experiments.list, dataset_id=dataset.id)}


@case
def an_experiment_is_made_logged_by_hand_and_resumed():
    dataset = experiment_dataset()
    made = call(
        client.experiments.create,
        dataset_id=dataset.id,
        dataset_version_id=dataset.version_id,
        experiment_name="resumed",
        experiment_description="by hand",
        experiment_metadata={"step": 1},
    )
    assert (made["dataset_id"], made["missing_run_count"]) == (dataset.id, 3), made
    run = call(
        client.experiments.log_run,
        experiment_id=made["id"],
        dataset_example_id=dataset.examples[0]["node_id"],
        output="Paris",
        start_time=START,
        end_time=START + timedelta(seconds=1),
    )
    assert run["output"] == "Paris", run
    logged = call(
        client.experiments.log_evaluation,
        experiment_run_id=run["id"],
        name="by hand",
        annotator_kind="HUMAN",
        score=0.5,
        label="fine",
        explanation="looked",
        start_time=START,
        end_time=START,
    )
    assert logged["id"]
    quiet = {"print_summary": False, "retries": 0}
    call(client.experiments.resume_experiment, experiment_id=made["id"], task=capitals, evaluators=[labelled], **quiet)
    info = call(client.experiments.get, experiment_id=made["id"])
    assert (info["successful_run_count"], info["failed_run_count"], info["missing_run_count"]) == (2, 1, 0), info
    call(client.experiments.resume_evaluation, experiment_id=made["id"], evaluators=[exact], **quiet)
    found = evaluations_of(made["id"])
    assert {"by hand fine 0.5", "labelled short 1.0", "exact True 1.0", "exact False 0.0"} <= set(found), found
    assert call(client.experiments.get_dataset_experiments_url, dataset.id).startswith(URL)
    assert made["id"] in call(client.experiments.get_experiment_url, dataset.id, made["id"])


outcome = {}
seed()
for title, function in cases.items():
    try:
        function()
        outcome[title] = None
    except Exception:
        outcome[title] = traceback.format_exc(limit=-6)
methods = public_methods()
print(json.dumps({"cases": outcome, "methods": sorted(methods), "called": sorted(called & methods)}), file=answer)
