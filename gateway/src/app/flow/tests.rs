use super::*;
use crate::auth::Accounts;
use crate::halo::Models;
use crate::store::{LOG_FOLDER, StoreError};

fn config(data: &std::path::Path) -> Config {
    let mut config = Config::default();
    config.gateway.data_dir = data.to_owned();
    config.broker.packet_bytes_max = 16 << 10;
    config.store.segment_bytes = 64 << 10;
    config.upstream = vec![toml::from_str("name = \"far\"\nurl = \"mqtt://127.0.0.1:9\"").unwrap()];
    config
}

/// Threads of an upstream went on, held the log's and the river's alive, and the data folder stayed locked.
#[test]
fn an_error_after_the_threads_have_started_ends_every_one_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    for starts in 1..=2_u64 {
        let common = Common::new(&config, Accounts::default(), Models::default());
        let failed = CancellationToken::new();
        let started = Flow::prepare(&config, &common).unwrap().start(&common, &failed).unwrap();
        let durable = Arc::clone(&started.faces.durable);
        assert!(durable.offset() >= Offset(starts));
        let in_use = crate::store::Log::open(Disk, &folder.path().join(LOG_FOLDER), Default::default());
        assert!(matches!(in_use, Err(StoreError::InUse(_))), "the first life holds it");
        // What `?` does with it.
        drop(started);
        assert!(durable.is_closed(), "the log has committed and ended");
        assert!(!failed.is_cancelled(), "each thread ended because it was asked to");
    }
}
