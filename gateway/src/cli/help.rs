//! What `--help` says below the options: examples and exit codes. Lines are short enough for 80 columns, and none is
//! continued on a next one: a terminal wraps what is longer a second time.

pub(super) const ALL: &str = "\
Examples:
  halo-gateway demo                     see it work: a gateway and 15 devices
  halo-gateway run                      on 127.0.0.1:1883, data in ./halo-data
  halo-gateway status                   how that gateway is
  halo-gateway check --config gw.toml   would `run` take this configuration?

Exit codes of every command; what a command adds to them stands in its help:
  0  done
  1  it failed; the last line on stderr says where and what to do
  2  the command line is wrong";

pub(super) const RUN: &str = "\
Examples:
  halo-gateway run --data-dir /var/lib/halo
  halo-gateway run --config gateway.toml --set disk.max=20GB
  HALO_GATEWAY__GATEWAY__MQTT=127.0.0.1:2883 halo-gateway run

Later sources win: defaults, file, environment, --set, flags.
`halo-gateway config show --origin` lists every key.

Exit codes:
  0  stopped, and everything accepted was stored and folded
  1  it did not start, or failed
  2  the command line is wrong";

#[cfg(feature = "demo")]
pub(super) const DEMO: &str = "\
Examples:
  halo-gateway demo                      a picture that moves; ? shows its keys
  halo-gateway demo --plain --for 20s    lines, and an account at the end
  halo-gateway demo --scenario list      situations with sparks to play
  halo-gateway demo --scenario park-day --plain
  halo-gateway demo --devices 200 --seed 7 --data-dir ./demo-data

Exit codes:
  0  nothing that was acknowledged is missing from the log
  1  something is missing, or it failed
  2  the command line is wrong";

#[cfg(feature = "view")]
pub(super) const TOP: &str = "\
Keys:
  ↑ ↓    select
  enter  open a halo
  tab    the other list
  p      hold the picture
  ?      help
  q      quit

Exit codes:
  0  you left
  1  no gateway runs on that folder, or there is no terminal
  2  the command line is wrong";

pub(super) const LOG: &str = "\
Examples:
  halo-gateway log verify halo-data
  halo-gateway log dump halo-data --device my-watch --from 1000
  halo-gateway log repair halo-data --write

Exit codes:
  0  done; of `verify` and `repair`: nothing is damaged, or it is repaired
  1  something is damaged, or it failed
  2  the command line is wrong";

pub(super) const DEVICE: &str = "\
Examples:
  halo-gateway device assign wrist-17 anna --kind person
  halo-gateway device assign wrist-17 anna --from 2026-11-01T00:00:00Z
  halo-gateway device release wrist-17
  halo-gateway device replace wrist-17 wrist-18
  halo-gateway device token my-watch";

pub(super) const OFFERS: &str = "\
Examples:
  halo-gateway offers load pharmacy ready ready.csv
  halo-gateway offers list
  halo-gateway offers show pharmacy ready --rows 10
  halo-gateway offers withdraw pharmacy ready

A table has a header line or is JSON. Its keys are in the column \"key\".
Without one they are in the first column of a CSV.";

pub(super) const SUBJECT: &str = "\
Examples:
  halo-gateway subject relate anna bert --kind doctor     bert is her doctor
  halo-gateway subject unrelate anna bert --kind doctor
  halo-gateway subject set anna --time-zone Europe/Berlin goal=8000
  halo-gateway subject alias anna anna.miller
  halo-gateway subject merge guest-7 anna                 they are one person";

pub(super) const QUARANTINE: &str = "\
Examples:
  halo-gateway quarantine list
  halo-gateway quarantine replay --device my-watch
  halo-gateway quarantine discard 4711";

pub(super) const PASSWD: &str = "\
Examples:
  halo-gateway passwd anna --role reader             asks for it, twice
  printf %s \"$SECRET\" | halo-gateway passwd anna     takes it from stdin
  halo-gateway passwd anna --create                  before the first start";

pub(super) const ROLE: &str = "\
Example:
  halo-gateway role set reader --subscribe 'halo/v1/halos/+'

What is not granted is not allowed.";

pub(super) const BACKUP: &str = "\
Example:
  halo-gateway backup --data-dir halo-data /backup/2026-11-22";

pub(super) const RESTORE: &str = "\
Example:
  halo-gateway restore /backup/2026-11-22 --data-dir halo-data-new

Exit codes:
  0  restored, and everything in it is intact
  1  nothing was restored
  2  the command line is wrong
  3  restored; damage was found, and what it touched is missing";

pub(super) const COMPLETIONS: &str = "\
Example:
  halo-gateway completions bash \\
    > ~/.local/share/bash-completion/completions/halo-gateway";

pub(super) const HALO: &str = "\
Examples:
  halo-gateway halo anna
  halo-gateway halo anna --at 2026-11-21T08:30:00Z
  halo-gateway halo anna --at now-2h --json | jq .signals.heart_rate

With --at, what was written up to that time is folded again.
Models of this build tell it or, with --config, those of a gateway.
Folding begins with the log, or with what it carries of the time before it.
Times before what it carries cannot be told any more.

Exit codes:
  0  done
  1  nothing was known of the subject then, or it failed
  2  the command line is wrong";

pub(super) const HISTORY: &str = "\
Examples:
  halo-gateway history anna heart_rate            the last 24 hours
  halo-gateway history anna heart_rate --from now-7d --step 1h
  halo-gateway history anna heart_rate --from 2026-11-21 --to 2026-11-22 --csv
  halo-gateway history car-7 speed --from now-6h --plot
  halo-gateway history car-7 speed --step 1m --svg speed.svg

Times:
  2026-11-21T08:30:00Z   without a zone: UTC
  2026-11-21             midnight, UTC
  now-6h                 from now on, back or ahead

Times of readings are the devices' own, corrected as when they were folded.
Readings that came late are found; --arrived-by leaves them out.
Readings dated more than a minute after they arrived are left out.
What retention has deleted is gone.

Exit codes:
  0  done, also when there were no readings
  1  it failed
  2  the command line is wrong";

pub(super) const RULES: &str = "\
Examples:
  halo-gateway rules check gateway.toml
  halo-gateway rules add rules.toml
  halo-gateway rules test rules.toml --halo anna.json
  halo-gateway rules replay rules.toml --from now-24h

A rule is a [[rule]] table: a name, a condition, and what follows.
The condition is an expression of CEL over `a`, the halo.
All of it is in docs/sparks.md.

Exit codes:
  0  done; of `check`: a gateway would take the rules
  1  not done; the last line says where and what to do";

pub(super) const WHY: &str = "\
Examples:
  halo-gateway why anna heart_rate                the latest value
  halo-gateway why anna heart_rate --window 15m   statistics of a window
  halo-gateway why car-7 trip.distance            a derived value
  halo-gateway why anna heart_rate --at now-2h --json

The halo is the running gateway's; else, or with --at, the log is folded.
Then the value is derived a second time:
  a reading       from the bytes in the log
  statistics      plainly, from the readings in the window
  derived values  by folding the subject's frames alone
Models are those of this build or, with --config, of a gateway.

Exit codes:
  0  both ways give the same
  1  they do not, or what it rests on is deleted, or it failed
  2  the command line is wrong";

pub(super) const MODEL: &str = "\
Examples:
  halo-gateway model show                  the model of turbofans in this build
  halo-gateway model show mine.model --test test_FD001.txt --rul RUL_FD001.txt
  halo-gateway model show wear.onnx        what an ONNX model takes and tells
  halo-gateway model train --from train_FD001.txt --out mine.model

Histories are text files as NASA's C-MAPSS has them.
A trained file is put to use by `[halo.models] turbofan = \"mine.model\"`.
An ONNX model is by `[[halo.models.onnx]]`, with feature `onnx`.

Exit codes:
  0  done
  1  a file is no model or no history, or this build cannot train
  2  the command line is wrong";
