"""Units that run a job on a schedule, for systemd, cron and Kubernetes.

None of them needs a lock of its own: `amazon_tags retrain` ends with exit code 75 at once while another run of the job
works.
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
MAX_NAME_CHARACTERS = 52  # Kubernetes' limit for the name of a CronJob

SYSTEMD = Template("""\
# $name.service and $name.timer. Save each part in /etc/systemd/system, or in ~/.config/systemd/user, then run:
#   systemctl enable --now $name.timer
# --- $name.service
[Unit]
Description=Retrain the chip tagger of $title

[Service]
Type=oneshot
WorkingDirectory=$unit_home
ExecStart=$unit_command
# 20: the data or the candidate were rejected; 75: another run works. Neither is a failure of the job.
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
# A line for `crontab -e`; the log grows, so rotate it, for example with logrotate.
$minute $hour * * * cd $home && $command >> $log 2>&1
""")

K8S = Template("""\
# kubectl apply -f FILE. Replace IMAGE by your image with amazon_tags and its train extra, and CLAIM by the volume claim
# that holds the job's folder.
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
    """Return the text of a unit that runs the job of a file every day.

    Args:
        path: the job's file; it is read first, since a job that cannot run should not be scheduled.
        kind: one of `KINDS`.
        at: HH:MM, in the scheduler's time zone.

    Raises:
        ValueError: `at` is not a time, or the job cannot be used.
    """
    read_job(path)
    time = TIME.fullmatch(at)
    if time is None:
        raise ValueError(f"{at!r} is not a time of day; write it like 03:00.")
    config = path.resolve()
    words = [os.path.abspath(sys.executable), "-m", "amazon_tags", "retrain", str(config)]  # noqa: PTH100  keeps symlinks
    if any(not character.isprintable() for character in str(config)):
        raise ValueError(f"{str(config)!r} has characters that a unit cannot contain; rename it.")
    title = re.sub("[^a-z0-9]+", "-", f"{config.parent.name}-{config.stem}".lower()).strip("-")
    name = f"retrain-{title}"[:MAX_NAME_CHARACTERS].strip("-")
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
    """Quote a shell word for a crontab, in which an unescaped % ends the line."""
    return shlex.quote(word).replace("%", "\\%")


def _systemd(text: str) -> str:
    """Escape text for a unit, in which % begins a specifier."""
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    """Quote a word of ExecStart=, in which $ begins a variable."""
    plain = _systemd(word).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{plain}"' if re.search(r"[\s'\"\\;]", plain) else plain
