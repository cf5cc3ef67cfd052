//! Frames that came before the birth that describes them, on their way to an upstream.

use std::time::Duration;

use firmware_sim::Faults;
use halo_tests::clock::{Stopwatch, until};
use halo_tests::mosquitto::Mosquitto;
use halo_tests::process::{Gateway, free_address};
use halo_tests::soak::{Book, Far, UPSTREAM, is_drained};
use halo_tests::trial::Load;
use halo_tests::{Failure, skip};

const PATIENCE: Duration = Duration::from_secs(60);
const DEVICES: u32 = 20;
/// Births come with the sixth frame; some more frames follow.
const FRAMES: u64 = 8 * DEVICES as u64;

#[test]
fn frames_that_waited_for_a_birth_arrive_once_and_in_order() -> Result<(), Failure> {
    if Mosquitto::program().is_none() {
        skip("mosquitto is not installed");
        return Ok(());
    }
    let (folder, watch) = (tempfile::tempdir()?, Stopwatch::new());
    let (data, runtime) = (folder.path().join("data"), tokio::runtime::Runtime::new()?);
    let mut far = Far::start(&runtime, &folder.path().join("received.jsonl"))?;
    let upstream = format!("upstream=[{{name=\"{UPSTREAM}\",url=\"mqtt://{}\",from=\"oldest\"}}]", far.address());
    let address = free_address()?;
    let gateway = Gateway::start(&data, address, &[&upstream])?;
    let mut load = Load::live(address, DEVICES, 7, Faults { late_births: 1.0, ..Faults::NONE })?;
    until("some frames", PATIENCE, || (load.progress().counts.acked >= FRAMES).then_some(()))?;
    assert_eq!(load.drain().unacked, 0);
    until("everything forwarded", PATIENCE, || is_drained(&data).is_ok_and(|is| is).then_some(()))?;
    far.catch_up()?;
    let mut book = Book::default();
    book.follow(&data)?;
    book.receive(far.file())?;
    let judgement = book.judge(watch.elapsed(), &data, &load.frames())?;
    assert!(gateway.stop()?.success());
    assert!(judgement.report.upstreams[UPSTREAM].forwarded >= FRAMES);
    assert!(judgement.holds(), "{}{:?}", judgement.report, judgement.differences);
    Ok(())
}
