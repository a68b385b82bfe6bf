"""The learning curve: what more labels have bought so far, drawn from the best rung that is cheap to fit again."""

from __future__ import annotations

from typing import Any

from metier.evaluate.evaluation import curve_sizes, nested
from metier.evaluate.intervals import bootstrap
from metier.tune.ladder import Climb, Course


def learning_curve(course: Course, climb: Climb) -> dict[str, Any]:
    """Fit the dearest taken rung that trains no base weights on 10%, 25%, 50% and all of the training rows.

    Returns `{"rung", "metric", "points": [{"rows", "value", "low", "high"}]}`; no points where time is short.
    """
    cheap = [rung for rung in course.rungs if not rung.trains]
    tried = {step.name: step for step in climb.steps if step.outputs is not None}
    taken = [rung for rung in cheap if rung.name in tried and tried[rung.name].taken and rung.name != "generic"]
    if not taken or course.plan.ladder.shards > 1:  # a tenth of the rows would leave little for each shard
        return {"rung": None, "metric": course.metric.name, "points": []}
    rung, (train, held_out) = taken[-1], course.folds[0]
    points = []
    sizes = curve_sizes(len(train))
    for size, positions in zip(sizes, nested(len(train), sizes, course.plan.seed), strict=True):
        left = course.clock()
        if left is not None and left < tried[rung.name].seconds:
            break
        part = train.take(positions)
        folder = course.folder / rung.name / f"rows-{size}"
        predictor, _ = rung.fit(course.work(part, None, folder, settings=tried[rung.name].settings))
        outputs = predictor.outputs(held_out.inputs)
        figures = bootstrap(
            {course.metric.name: course.metric},
            held_out.targets,
            outputs,
            level=course.plan.ladder.level,
            replicates=300,
            seed=course.plan.seed,
        )
        points.append({"rows": size, **figures[course.metric.name].as_json()})
    return {"rung": rung.name, "metric": course.metric.name, "points": points}
