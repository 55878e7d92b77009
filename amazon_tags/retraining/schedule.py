"""Units that run a job by themselves: of systemd, of cron, of Kubernetes. Each is valid as it stands.

A second run that starts while one goes on leaves with 75 at once, whoever started it: so none of these needs a lock of
its own.
"""

import json
import os
import re
import shlex
import sys
from pathlib import Path
from string import Template

from amazon_tags.retraining.job import read_job

KINDS = ("systemd", "cron", "k8s")
TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
LONGEST = 52  # characters of a CronJob's name

SYSTEMD = Template("""\
# $name.service and $name.timer. Write each part to /etc/systemd/system, or to ~/.config/systemd/user, and then:
#   systemctl enable --now $name.timer
# --- $name.service
[Unit]
Description=Retrain the chip tagger of $title

[Service]
Type=oneshot
WorkingDirectory=$unit_home
ExecStart=$unit_command
# 20: the candidate was rejected; 75: another run goes on. Neither is a failure of the job.
SuccessExitStatus=20 75
TimeoutStartSec=12h
Nice=10
IOSchedulingClass=idle
MemoryMax=16G
NoNewPrivileges=yes
PrivateTmp=yes

# --- $name.timer
[Unit]
Description=Retrain the chip tagger of $title every day

[Timer]
OnCalendar=*-*-* $time:00
Persistent=true
RandomizedDelaySec=15min

[Install]
WantedBy=timers.target
""")

CRON = Template("""\
# A line of `crontab -e`; the log grows, so let logrotate look after it.
$minute $hour * * * cd $home && $command >> $log 2>&1
""")

K8S = Template("""\
# kubectl apply -f FILE. Put the name of your image with amazon_tags and its train extra in place of IMAGE, and that of
# the volume claim that holds the job's folder in place of CLAIM.
apiVersion: batch/v1
kind: CronJob
metadata:
  name: $name
spec:
  schedule: "$minute $hour * * *"
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 3600
  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      backoffLimit: 0
      activeDeadlineSeconds: 43200
      template:
        spec:
          restartPolicy: Never
          containers:
            - name: retrain
              image: IMAGE
              command: ["amazon_tags", "retrain", $inside]
              workingDir: /job
              resources:
                requests: {cpu: "2", memory: 8Gi}
                limits: {memory: 16Gi}
              volumeMounts:
                - {name: job, mountPath: /job}
          volumes:
            - name: job
              persistentVolumeClaim: {claimName: CLAIM}
""")


def schedule_unit(path: Path, kind: str, *, at: str = "03:00") -> str:
    """The text of a unit that runs the job of a file every day.

    Args:
        path: the job's file, which is read first: what cannot run is not scheduled.
        kind: one of `KINDS`.
        at: HH:MM, in the time zone of whoever runs it.

    Raises:
        ValueError: a time that is none, or a job that cannot be used.
    """
    read_job(path)
    time = TIME.fullmatch(at)
    if time is None:
        raise ValueError(f"{at!r} is no time of a day; write it as 03:00.")
    config = path.resolve()
    words = [os.path.abspath(sys.executable), "-m", "amazon_tags", "retrain", str(config)]  # noqa: PTH100  keeps links
    if any(not character.isprintable() for character in str(config)):
        raise ValueError(f"{str(config)!r} has characters that no unit can hold; rename it.")
    title = re.sub("[^a-z0-9]+", "-", f"{config.parent.name}-{config.stem}".lower()).strip("-")
    name = f"retrain-{title}"[:LONGEST].strip("-")
    values = {
        "name": name,
        "title": _systemd(config.parent.name),
        "time": at,
        "hour": str(int(time[1])),
        "minute": str(int(time[2])),
        "home": _cron(str(config.parent)),
        "command": " ".join(_cron(word) for word in words),
        "log": _cron(str(config.with_suffix(".log"))),
        "unit_home": _systemd(str(config.parent)),
        "unit_command": " ".join(_quoted(word) for word in words),
        "inside": json.dumps(f"/job/{config.name}"),
    }
    return {"systemd": SYSTEMD, "cron": CRON, "k8s": K8S}[kind].substitute(values)


def _cron(word: str) -> str:
    """A word of a shell in a crontab, where an unescaped % ends the line."""
    return shlex.quote(word).replace("%", "\\%")


def _systemd(text: str) -> str:
    """Text of a unit, where % begins a specifier."""
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    """A word of ExecStart=, where $ begins a variable."""
    plain = _systemd(word).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{plain}"' if re.search(r"[\s'\"\\;]", plain) else plain
