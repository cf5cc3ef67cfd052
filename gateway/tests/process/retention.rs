//! G6: the data folder never exceeds `disk.max`, at any sample; clients are refused rather than frames lost, room comes
//! back by itself, and what is left of the log rebuilds every halo.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Client, Gateway, runtime};

const MAX_BYTES: u64 = 16_000_000;
const SAMPLE_PERIOD: Duration = Duration::from_millis(10);
/// Publishes of this size fill the disk soon; they go to one retained topic, so that the state stays small.
const FILLER_BYTES: usize = 60_000;
const PATIENCE: Duration = Duration::from_secs(60);
const UPSTREAM: &str = "[[upstream]]\nname = \"far\"\nurl = \"mqtt://127.0.0.1:1\"\n";

/// Watches a folder's size from beside the gateway.
struct Sampler {
    over: Arc<AtomicBool>,
    peak: Arc<AtomicU64>,
    samples: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Sampler {
    fn start(folder: &Path) -> Self {
        let (over, peak, samples) =
            (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let (folder, watch) = (folder.to_owned(), (Arc::clone(&over), Arc::clone(&peak), Arc::clone(&samples)));
        let thread = std::thread::spawn(move || {
            while !watch.0.load(Ordering::Relaxed) {
                watch.1.fetch_max(size(&folder), Ordering::Relaxed);
                watch.2.fetch_add(1, Ordering::Relaxed);
                std::thread::park_timeout(SAMPLE_PERIOD);
            }
        });
        Self { over, peak, samples, thread: Some(thread) }
    }

    fn finish(mut self) -> (u64, u64) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().expect("it runs").join().expect("it samples");
        (self.peak.load(Ordering::Relaxed), self.samples.load(Ordering::Relaxed))
    }
}

/// Bytes of a folder: of each file the larger of its length and what is allocated.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |path: PathBuf| match path.symlink_metadata() {
        Ok(it) if it.is_dir() => it.blocks() * 512 + size(&path),
        Ok(it) => it.len().max(it.blocks() * 512),
        // Removed between being listed and being looked at.
        Err(_) => 0,
    };
    entries.map(|entry| of(entry.path())).sum()
}

fn segments(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join("log")).expect("a log").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".seg")).collect();
    names.sort();
    names
}

struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn start(&self, more: &str) -> Gateway {
        let config = self.folder.path().join("gateway.toml");
        let text = format!("[store]\nsegment_bytes = 262144\n[disk]\nmax = {MAX_BYTES}\nreserve = \"1MB\"\n{more}");
        fs::write(&config, text).expect("written");
        Gateway::start_with(&config, &self.data())
    }
}

/// Publishes until the gateway refuses, which 3.1.1 says by closing the connection; how many were acknowledged.
async fn fill(client: &mut Client) -> u32 {
    for sent in 0..2_000 {
        if !client.try_publish("site/photo", true, vec![b'x'; FILLER_BYTES]).await {
            return sent;
        }
    }
    panic!("two thousand publishes of {FILLER_BYTES} bytes fit into {MAX_BYTES} bytes of disk");
}

/// Publishes again and again, on new connections if need be, until it is acknowledged.
async fn insist(gateway: &Gateway, client: &mut Client, topic: &str, retain: bool, payload: Vec<u8>) {
    let accepted = async {
        while !client.try_publish(topic, retain, payload.clone()).await {
            *client = Client::connect(gateway.address, "filler").await;
        }
    };
    tokio::time::timeout(PATIENCE, accepted).await.expect("room comes back by itself");
}

async fn owned(gateway: &Gateway, topic: &str) -> Value {
    let mut client = Client::connect(gateway.address, "integrator").await;
    client.subscribe(topic).await;
    serde_json::from_slice(&client.message().await.1).expect("JSON")
}

/// The parts of a halo that a start does not touch.
fn facts(halo: &Value) -> (Value, Value) {
    (halo["quality"].clone(), halo["signals"].clone())
}

#[test]
fn g6_the_folder_stays_below_its_bound_while_clients_are_refused_and_let_in_again() {
    let site = Site { folder: tempfile::tempdir().expect("a temporary folder") };
    fs::create_dir(site.data()).expect("made");
    let sampler = Sampler::start(&site.data());
    let runtime = runtime();

    // An upstream that confirms nothing holds everything.
    let gateway = site.start(UPSTREAM);
    runtime.block_on(async {
        let mut client = Client::connect(gateway.address, "filler").await;
        client.publish("halo/v1/d/my-watch/t", false, &br#"{"heart_rate":61}"#[..]).await;
        let sent = fill(&mut client).await;
        assert!(sent > 60, "only {sent} publishes found room");
        let health = owned(&gateway, "halo/v1/gateway/+/health").await;
        assert_eq!(health["state"], "degraded", "{health}");
        assert!(health["reasons"].to_string().contains("refused (0x97)"), "{health}");
        let mut client = Client::connect(gateway.address, "filler").await;
        // What a checkpoint gives back while it is written is room for some more, not for ever.
        let mut refused = false;
        for _ in 0..5 {
            let frame = br#"{"heart_rate":62}"#.to_vec();
            if !client.try_publish("halo/v1/d/my-watch/t", false, frame).await {
                refused = true;
                break;
            }
            fill(&mut client).await;
            client = Client::connect(gateway.address, "filler").await;
        }
        assert!(refused, "telemetry is taken for ever");
    });
    assert_eq!(gateway.stop(), Some(0));
    let before = segments(&site.data());

    // One that is configured no more holds nothing.
    let gateway = site.start("");
    runtime.block_on(async {
        let mut client = Client::connect(gateway.address, "filler").await;
        for value in 0..300_u32 {
            let frame = format!(r#"{{"heart_rate":{}}}"#, 60 + value % 90).into_bytes();
            insist(&gateway, &mut client, "halo/v1/d/my-watch/t", false, frame).await;
            insist(&gateway, &mut client, "site/photo", true, vec![b'y'; FILLER_BYTES]).await;
        }
    });
    assert_eq!(gateway.stop(), Some(0));
    let after = segments(&site.data());
    assert!(!after.contains(&before[before.len() - 4]), "{after:?} after {before:?}");

    let gateway = site.start("");
    let (halo, photo) = runtime.block_on(async {
        let mut client = Client::connect(gateway.address, "viewer").await;
        client.subscribe("site/photo").await;
        (owned(&gateway, "halo/v1/halos/my-watch").await, client.message().await.1)
    });
    assert_eq!(gateway.stop(), Some(0));
    assert_eq!(halo["quality"]["accepted"], 301, "{halo}");
    fs::remove_file(site.data().join("state.redb")).expect("removable");
    let gateway = site.start("");
    let (rebuilt, again) = runtime.block_on(async {
        let mut client = Client::connect(gateway.address, "viewer").await;
        client.subscribe("site/photo").await;
        (owned(&gateway, "halo/v1/halos/my-watch").await, client.message().await.1)
    });
    assert_eq!(gateway.stop(), Some(0));
    assert_eq!(facts(&rebuilt), facts(&halo), "from the rest of the log");
    assert_eq!(photo, again);

    let (peak, samples) = sampler.finish();
    println!("at most {peak} of {MAX_BYTES} bytes in {samples} samples");
    assert!(peak < MAX_BYTES && peak > MAX_BYTES / 2, "{peak} of {MAX_BYTES} bytes");
}
