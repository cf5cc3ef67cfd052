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
  halo-gateway device token my-watch";

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
