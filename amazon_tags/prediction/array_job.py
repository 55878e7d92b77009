"""Array jobs of schedulers: a task a shard, and a step that merges when all are done."""

import json
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

MAX_NAME_CHARACTERS = 50  # Kubernetes appends up to 13 to the name of a job for that of a pod, which has at most 63
MAX_TASKS = {"slurm": 4_000_000, "k8s": 100_000}  # SLURM's largest number of an array; completions with indexes

SLURM = Template("""\
# Save as $name.sh, and run: bash $name.sh
# It submits an array of $tasks tasks, and the merge, which starts when all of them have ended well. A task that failed
# can be run again by `sbatch --array=NUMBER`: finished parts are not scored again.
set -euo pipefail

array=$$(sbatch --parsable --job-name=$name --array=1-$tasks --cpus-per-task=4 --mem=4G --requeue \\
    --chdir=$home <<'TASK'
#!/bin/bash
exec $shard
TASK
)
echo "array job $$array"

sbatch --job-name=$name-merge --dependency=afterok:"$${array%%;*}" --kill-on-invalid-dep=yes \\
    --cpus-per-task=1 --mem=8G --chdir=$home <<'MERGE'
#!/bin/bash
exec $merge
MERGE
""")

K8S = Template("""\
# Build the image by `docker build -f .docker/Dockerfile -t amazon-tags .` and push it to your registry. Replace IMAGE
# by its name there, and CLAIM by the volume claim (ReadWriteMany) that holds this folder. Save as $name.yaml, then run:
#   kubectl apply -f $name.yaml
#   kubectl wait --for=condition=complete --timeout=-1s job/$name
#   kubectl patch job/$name-merge --patch '{"spec": {"suspend": false}}'
apiVersion: batch/v1
kind: Job
metadata:
  name: $name
spec:
  completionMode: Indexed
  completions: $tasks
  parallelism: $tasks
  backoffLimitPerIndex: 3
  template:
    spec:
      restartPolicy: Never
      securityContext: {runAsNonRoot: true}
      containers:
        - name: shard
          image: IMAGE
          command: $shard
          workingDir: /work
          resources:
            requests: {cpu: "4", memory: 2Gi}
            limits: {memory: 4Gi}
          volumeMounts:
            - {name: work, mountPath: /work}
      volumes:
        - name: work
          persistentVolumeClaim: {claimName: CLAIM}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: $name-merge
spec:
  suspend: true
  backoffLimit: 2
  template:
    spec:
      restartPolicy: Never
      securityContext: {runAsNonRoot: true}
      containers:
        - name: merge
          image: IMAGE
          command: $merge
          workingDir: /work
          resources:
            requests: {cpu: "1", memory: 2Gi}
            limits: {memory: 8Gi}
          volumeMounts:
            - {name: work, mountPath: /work}
      volumes:
        - name: work
          persistentVolumeClaim: {claimName: CLAIM}
""")
UNITS = {"slurm": SLURM, "k8s": K8S}


@dataclass(frozen=True)
class ArrayJob:
    """The work of an array.

    Attributes:
        shard: the words behind `amazon_tags` that score one shard, without `--shard`.
        merge: those that write the results when all shards are done.
        paths: the files and folders that the words name.
    """

    shard: Sequence[str]
    merge: Sequence[str]
    paths: Sequence[Path]


def array_unit(job: ArrayJob, kind: str, *, tasks: int, home: Path) -> str:
    """Return the text of an array job with its merge.

    Args:
        job: the commands.
        kind: one of `UNITS`.
        tasks: the number of shards.
        home: the folder in which the commands are run, and which Kubernetes mounts.

    Raises:
        ValueError: there are too many tasks, a word cannot stand in a unit or, for Kubernetes, a path is not in `home`.
    """
    if not 1 <= tasks <= MAX_TASKS[kind]:
        raise ValueError(f"{tasks:,} tasks are not possible; an array of {kind} has from 1 to {MAX_TASKS[kind]:,}.")
    words = [*job.shard, *job.merge, str(home)]
    if unprintable := [word for word in words if not word.isprintable()]:
        raise ValueError(f"{unprintable[0]!r} has characters that a unit cannot contain; rename it.")
    if kind == "k8s":
        _refuse_outside(job.paths, home)

    program = [sys.executable, "-m", "amazon_tags"] if kind == "slurm" else ["amazon_tags"]
    quote = shlex.join if kind == "slurm" else json.dumps
    title = re.sub("[^a-z0-9]+", "-", home.name.lower()).strip("-")
    return UNITS[kind].substitute(
        name=f"amazon-tags-{title}"[:MAX_NAME_CHARACTERS].strip("-"),
        tasks=tasks,
        home=shlex.quote(str(home)),
        shard=quote([*program, *job.shard, "--shard", f"auto/{tasks}"]),
        merge=quote([*program, *job.merge]),
    )


def _refuse_outside(paths: Sequence[Path], home: Path) -> None:
    outside = [
        path for path in paths if path.is_absolute() or not (home / path).resolve().is_relative_to(home.resolve())
    ]
    if outside:
        raise ValueError(
            f"{outside[0]} is not within this folder, which the pods see as /work; name files in it, by relative paths."
        )
