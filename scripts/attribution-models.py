"""What packages of others make of paths: see scripts/attribution-models.

Input: {"half_life_hours": H, "paths": [{"channels": [...], "hours": [...], "converted": true}, ...]}, where hours are
those from each touch to the last one. Output: {"package.model": {channel: credit}}.

mta has the ends and the Shapley value of a set that is worth the conversions whose channels are all in it. It is not
asked for its Markov chain: without a channel, it sums the paths that were observed and not those that the chain can
take. Marketing Attribution Models has that one by the chain's fundamental matrix, and is not asked for its Shapley
value, which is worked out path by path with the rate of exactly the same set.
"""

import contextlib
import json
import sys
from unittest.mock import MagicMock

# What the packages import for pictures, pages and other models, and no model here uses.
for unused in (
    "arrow", "jinja2", "plotly", "plotly.graph_objects", "plotly.offline",
    "sklearn", "sklearn.linear_model", "sklearn.model_selection",
):
    sys.modules[unused] = MagicMock()

import pandas  # noqa: E402
import polars  # noqa: E402
from mam.models import (  # noqa: E402
    FirstClickModel, LastClickModel, LinearModel, MarkovModel, PositionBasedModel, TimeDecayModel,
)
from mta import MTA  # noqa: E402


def by_mam(paths, half_life):
    frame = polars.DataFrame({
        "journey_id": [str(number) for number, _ in enumerate(paths)],
        "channels": [path["channels"] for path in paths],
        "time_till_conv": [[float(hours) for hours in path["hours"]] for path in paths],
        "has_conversion": [path["converted"] for path in paths],
        "weight": [1 for _ in paths],
        "conversion_value": [1.0 if path["converted"] else 0.0 for path in paths],
    })
    models = {
        "first_touch": FirstClickModel(),
        "last_touch": LastClickModel(),
        "linear": LinearModel(),
        "position_based": PositionBasedModel(),
        "time_decay": TimeDecayModel(half_life_hours=half_life),
    }
    for name, model in models.items():
        rows = model.get_aggregated_results(frame).iter_rows()
        yield name, dict(rows)
    conversions = sum(path["converted"] for path in paths)
    weights = MarkovModel()._compute_markov(frame)
    yield "markov", {channel: float(weight) * conversions for channel, weight in weights.items()}


def by_mta(paths):
    frame = pandas.DataFrame({
        "path": [" > ".join(path["channels"]) for path in paths],
        "total_conversions": [int(path["converted"]) for path in paths],
        "total_null": [int(not path["converted"]) for path in paths],
        "exposure_times": [" > ".join("0" for _ in path["channels"]) for path in paths],
    })
    model = MTA(data=frame, allow_loops=True, add_timepoints=False)
    models = {
        "first_touch": model.first_touch(normalize=False),
        "last_touch": model.last_touch(normalize=False),
        "linear": model.linear(share="proportional", normalize=False),
        "pos_based": model.position_based(normalize=False),
    }
    # It tries every subset of every set.
    if len(model.channels) <= 8:
        models["shapley"] = model.shapley(normalize=False)
    for name in models:
        credit = {channel: float(credit) for channel, credit in model.attribution[name].items()}
        yield "position_based" if name == "pos_based" else name, credit


asked = json.load(sys.stdin)
with contextlib.redirect_stdout(sys.stderr):
    mam = dict(by_mam(asked["paths"], float(asked["half_life_hours"])))
    mta = dict(by_mta(asked["paths"]))
json.dump({"mam": mam, "mta": mta}, sys.stdout)
