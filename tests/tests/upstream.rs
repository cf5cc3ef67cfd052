//! Upstreams against a real mosquitto that goes away in every way there is (G3, G4, G5, G11): what arrived,
//! de-duplicated by message id, is what the log holds; halos are equal after each.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use halo_gateway::app::App;
use halo_gateway::config::Config;
use halo_gateway::forward::readings_json::mid;
use halo_gateway::forward::upstream::State;
use halo_gateway::record::{Account, Body, Offset};
use halo_gateway::store::identity::Identities;
use halo_gateway::store::{Disk, Reader};
use halo_tests::mosquitto::{Mosquitto, Tls};
use halo_tests::process::{Gateway, free_address};
use halo_tests::proxy::{Mode, Proxy};
use halo_tests::receiver::Receiver;
use halo_tests::scripted::{Script, Scripted};
use halo_tests::{Failure, skip};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(90);

fn upstream(name: &str, to: SocketAddr, more: &str) -> String {
    format!(
        "[[upstream]]\nname = \"{name}\"\nurl = \"mqtt://{to}\"\nfrom = \"oldest\"\nwindow = 64\nstall_after = \"500ms\"\n\
         backoff_min = \"20ms\"\nbackoff_max = \"100ms\"\nkeep_alive = \"5s\"\n{more}\n"
    )
}

async fn gateway(folder: &Path, upstreams: &str) -> Result<App, Failure> {
    let file = folder.join("gateway.toml");
    let data = folder.join("data");
    std::fs::write(&file, format!("[gateway]\nid = \"gw\"\nmqtt = \"127.0.0.1:0\"\ndata_dir = {data:?}\n{upstreams}"))?;
    Ok(App::start(Config::load(Some(&file), [], &[])?).await?)
}

/// Publishes `count` frames of `devices` devices and waits for their acknowledgements.
async fn feed(app: &App, count: usize) -> Result<(), Failure> {
    feed_paced(app.address(), count, None).await
}

async fn feed_paced(to: SocketAddr, count: usize, pause: Option<Duration>) -> Result<(), Failure> {
    let mut options = MqttOptions::new("feeder", to.ip().to_string(), to.port());
    options.set_inflight(200);
    let (client, mut events) = AsyncClient::new(options, count + 1);
    let publish = async {
        for n in 0..count {
            let payload = format!("{{\"heart_rate\":{}}}", 60 + n % 40);
            client.publish(format!("halo/v1/d/dev-{}/t", n % 7), QoS::AtLeastOnce, false, payload).await?;
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
        }
        Ok::<(), Failure>(())
    };
    let acknowledged = async {
        let mut acknowledged = 0;
        while acknowledged < count {
            acknowledged += usize::from(matches!(events.poll().await?, Event::Incoming(Packet::PubAck(_))));
        }
        Ok::<(), Failure>(())
    };
    let both = async { tokio::try_join!(publish, acknowledged) };
    tokio::time::timeout(PATIENCE, both).await.map_err(|_| "frames were not acknowledged in time")??;
    Ok(())
}

/// The message ids of all frames in a log that nobody writes any more, and the last account of an upstream.
fn written(folder: &Path, upstream: &str) -> Result<(BTreeSet<String>, Account), Failure> {
    let data = folder.join("data");
    let log_ids = Identities::of_folder(&data)?.named("gw");
    let (mut reader, _) = Reader::over(Disk, &data.join("log"), Offset(1))?;
    let (mut mids, mut account) = (BTreeSet::new(), Account::default());
    loop {
        let batch = reader.next(1 << 20)?;
        for record in &batch.records {
            match &record.body {
                Body::Frame(_) => drop(mids.insert(mid(log_ids.of(record.epoch), record.offset))),
                Body::Cursor(cursor) if &*cursor.consumer == upstream => account = cursor.progress.account,
                _ => {}
            }
        }
        if batch.is_empty() {
            return Ok((mids, account));
        }
    }
}

/// The message ids of all sparks in the log that an upstream has confirmed, and of those behind.
fn raised(folder: &Path, upstream: &str) -> Result<(BTreeSet<String>, BTreeSet<String>), Failure> {
    let data = folder.join("data");
    let log_ids = Identities::of_folder(&data)?.named("gw");
    let (mut reader, _) = Reader::over(Disk, &data.join("log"), Offset(1))?;
    let (mut sparks, mut confirmed) = (Vec::new(), Offset(0));
    loop {
        let batch = reader.next(1 << 20)?;
        for record in &batch.records {
            match &record.body {
                Body::Spark(_) => sparks.push((record.offset, mid(log_ids.of(record.epoch), record.offset))),
                Body::Cursor(cursor) if &*cursor.consumer == upstream => confirmed = cursor.confirmed,
                _ => {}
            }
        }
        if batch.is_empty() {
            let (before, behind) = sparks.into_iter().partition::<Vec<_>, _>(|(offset, _)| *offset <= confirmed);
            let mids = |sparks: Vec<(Offset, String)>| sparks.into_iter().map(|(_, mid)| mid).collect();
            return Ok((mids(before), mids(behind)));
        }
    }
}

async fn state(
    app: &App,
    name: &str,
    what: &str,
    is: impl Fn(&halo_gateway::forward::upstream::Status) -> bool,
) -> Result<(), Failure> {
    let waited = tokio::time::timeout(PATIENCE, async {
        // A status is looked at, as an operator does; it tells nobody by itself.
        while !app.upstreams().list().iter().any(|status| status.name == name && is(status)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.map_err(|_| format!("{name} is not {what}: {:?}", app.upstreams().list()).into())
}

/// The halos there are those that are here.
async fn halos_agree(app: &App, receiver: &Receiver) -> Result<(), Failure> {
    let here = Receiver::start(app.address(), "here").await?;
    here.until("halos here", |got| got.halos.len() == 7).await?;
    let wanted = here.got().halos.clone();
    receiver.until("halos there are those here", |got| got.halos == wanted).await
}

/// What arrived, each message once, is what the log holds.
fn arrived(receiver: &Receiver, mids: &BTreeSet<String>) {
    let got: BTreeSet<String> = receiver.got().readings.keys().cloned().collect();
    let (missing, strange) = (mids.difference(&got).count(), got.difference(mids).count());
    assert_eq!((missing, strange), (0, 0), "of {} frames; one there: {:?}", mids.len(), got.first());
}

/// Within each lane, the first arrivals are in log order.
fn in_order(receiver: &Receiver) {
    for (lane, mids) in &receiver.got().order {
        let mut seen = BTreeSet::new();
        let firsts: Vec<u64> = mids
            .iter()
            .filter(|mid| seen.insert((*mid).clone()))
            .filter_map(|mid| mid.rsplit('-').next()?.parse().ok())
            .collect();
        assert!(firsts.is_sorted(), "{lane} is out of order");
    }
}

async fn every_fault(more: &str) -> Result<(), Failure> {
    if Mosquitto::program().is_none() {
        skip("mosquitto is not installed: upstreams were not tried");
        return Ok(());
    }
    let folder = TempDir::new()?;
    let mut broker = Mosquitto::start(None)?;
    let proxy = Proxy::start(broker.address()).await?;
    let receiver = Receiver::start(broker.address(), "far").await?;
    let rule = "[[rule]]\nname = \"high\"\nwhen = \"a.signals.heart_rate.value > 80\"\n";
    let app = gateway(folder.path(), &format!("{}{rule}", upstream("cloud", proxy.address(), more))).await?;
    feed(&app, 200).await?;
    let mut total = 200;
    receiver.until("the first 200", |got| got.readings.len() == 200).await?;
    state(&app, "cloud", "flowing", |status| status.state == State::Flowing && status.round_trip_ms.is_some()).await?;

    for fault in ["cut", "stall", "swallow", "slow", "answers lost", "stopped", "killed"] {
        let subscriptions = receiver.subscriptions();
        let before = app.upstreams().list().remove(0).error_at_ms;
        match fault {
            "cut" => proxy.cut(),
            "stall" => proxy.set(Mode::Stall),
            "swallow" => proxy.set(Mode::Swallow),
            "slow" => proxy.set(Mode::Slow(30_000)),
            // What was taken and whose acknowledgement was lost comes twice, and the receiver's broker forgets it.
            _ => proxy.set(Mode::StallAnswers),
        }
        feed(&app, 400).await?;
        total += 400;
        match fault {
            "answers lost" | "stall" | "swallow" => {
                state(&app, "cloud", "torn down", |it| {
                    let error = it.last_error.as_deref().or(it.earlier_error.as_deref());
                    it.error_at_ms > before && error.is_some_and(|it| it.contains("nothing was confirmed"))
                })
                .await?;
            }
            "stopped" | "killed" => {
                proxy.set(Mode::Refuse);
                state(&app, "cloud", "away", |it| it.state == State::BackingOff).await?;
                if fault == "stopped" {
                    broker.stop()
                } else {
                    broker.kill()
                }
                broker.restart()?;
                receiver.subscribed(subscriptions + 1).await?;
            }
            _ => {}
        }
        proxy.set(Mode::Pass);
        receiver.until(&format!("{total} after {fault}"), |got| got.readings.len() == total).await?;
        state(&app, "cloud", "caught up", |it| it.pending == 0 && it.backfill.is_none()).await?;
        halos_agree(&app, &receiver).await.map_err(|error| format!("after {fault}: {error}"))?;
    }
    in_order(&receiver);
    assert!(receiver.got().order.contains_key("backfill"), "an absence had a lane of its own");
    assert!(app.stop().await.drained);
    let (mids, account) = written(folder.path(), "cloud")?;
    arrived(&receiver, &mids);
    let (confirmed, behind) = raised(folder.path(), "cloud")?;
    let got: BTreeSet<String> = receiver.got().sparks.keys().cloned().collect();
    assert!(confirmed.len() > 100, "{} sparks", confirmed.len());
    assert_eq!(confirmed.difference(&got).count(), 0, "each spark arrived");
    assert!(got.difference(&confirmed).all(|mid| behind.contains(mid)), "none that is not in the log");
    assert_eq!(account, Account { forwarded: total as u64, quarantined: 0, dropped: 0 });
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_to_a_receiver_that_goes_away_in_every_way_mqtt_5() -> Result<(), Failure> {
    every_fault("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_to_a_receiver_that_goes_away_in_every_way_mqtt_311() -> Result<(), Failure> {
    every_fault("version = 4").await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_to_a_receiver_that_goes_away_in_every_way_next_client() -> Result<(), Failure> {
    every_fault("client = \"rumqttc-next\"").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_upstream_costs_the_other_nothing_and_an_unreadable_frame_is_passed_and_counted() -> Result<(), Failure>
{
    if Mosquitto::program().is_none() {
        skip("mosquitto is not installed: two upstreams were not tried");
        return Ok(());
    }
    let folder = TempDir::new()?;
    let broker = Mosquitto::start(None)?;
    let dead = Proxy::start(broker.address()).await?;
    dead.set(Mode::Refuse);
    let receiver = Receiver::start(broker.address(), "far").await?;
    let both = upstream("alive", broker.address(), "") + &upstream("dead", dead.address(), "");
    let app = gateway(folder.path(), &both).await?;
    feed(&app, 300).await?;
    bad_frame(&app).await?;
    feed(&app, 300).await?;
    receiver.until("all 600", |got| got.readings.len() == 600).await?;
    state(&app, "dead", "counting what waits", |it| it.pending == 601 && it.account == Account::default()).await?;
    state(&app, "alive", "through", |it| it.pending == 0 && it.account.forwarded == 600 && it.account.quarantined == 1)
        .await?;

    assert!(app.upstreams().hold("alive", true) && !app.upstreams().hold("nobody", true));
    state(&app, "alive", "held", |it| it.state == State::Held).await?;
    feed(&app, 20).await?;
    assert_eq!(receiver.got().readings.len(), 600);
    app.upstreams().hold("alive", false);
    receiver.until("what was held back", |got| got.readings.len() == 620).await?;
    assert!(app.stop().await.drained);

    // The dead one comes to life under another client id, after a restart of the gateway.
    let app = gateway(folder.path(), &both).await?;
    state(&app, "dead", "counting what an earlier life left", |it| it.pending == 621 && !it.counting).await?;
    dead.set(Mode::Pass);
    state(&app, "dead", "through", |it| it.pending == 0 && it.account.forwarded == 620 && it.account.quarantined == 1)
        .await?;
    assert!(receiver.got().readings.values().all(|lanes| lanes.len() <= 2), "each upstream brought each frame once");
    assert!(app.stop().await.drained);
    let (mids, account) = written(folder.path(), "alive")?;
    assert_eq!((mids.len(), account.forwarded), (621, 620));
    Ok(())
}

async fn bad_frame(app: &App) -> Result<(), Failure> {
    let mut options = MqttOptions::new("bad", app.address().ip().to_string(), app.address().port());
    options.set_inflight(1);
    let (client, mut events) = AsyncClient::new(options, 4);
    client.publish("halo/v1/d/dev-0/t", QoS::AtLeastOnce, false, "no telemetry").await?;
    while !matches!(events.poll().await?, Event::Incoming(Packet::PubAck(_))) {}
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_gateway_repeats_at_most_a_window_and_loses_nothing() -> Result<(), Failure> {
    const WINDOW: usize = 64;
    if Mosquitto::program().is_none() {
        skip("mosquitto is not installed: a killed gateway was not tried");
        return Ok(());
    }
    let folder = TempDir::new()?;
    let data = folder.path().join("data");
    let broker = Mosquitto::start(None)?;
    let proxy = Proxy::start(broker.address()).await?;
    let receiver = Receiver::start(broker.address(), "far").await?;
    let upstream = format!(
        "upstream=[{{name=\"cloud\", url=\"mqtt://{}\", from=\"oldest\", window={WINDOW}, stall_after=\"5s\", \
         backoff_min=\"20ms\", backoff_max=\"100ms\"}}]",
        proxy.address()
    );
    let (address, sets) = (free_address()?, ["gateway.id=\"gw\"", &upstream]);
    let gateway = Gateway::start(&data, address, &sets)?;
    proxy.set(Mode::Slow(60_000));
    feed_paced(gateway.address(), 600, None).await?;
    receiver.until("some of them", |got| got.readings.len() >= 100).await?;
    gateway.kill();
    let before = receiver.got().readings.len();
    assert!(before < 600, "killed too late: nothing was under way");
    proxy.set(Mode::Pass);
    let gateway = Gateway::start(&data, address, &sets)?;
    receiver.until("all of them", |got| got.readings.len() == 600).await?;
    assert!(gateway.stop()?.success());
    let (mids, account) = written(folder.path(), "cloud")?;
    arrived(&receiver, &mids);
    let repeats: usize = receiver.got().readings.values().map(|lanes| lanes.len() - 1).sum();
    println!("{repeats} of 600 came twice, the window is {WINDOW}; {before} had come before kill -9");
    assert!(repeats <= WINDOW, "{repeats} repeats");
    assert_eq!(account, Account { forwarded: 600, quarantined: 0, dropped: 0 });
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_refused_again_and_again_is_given_up_and_told_in_losses() -> Result<(), Failure> {
    let folder = TempDir::new()?;
    // Readings of one device are not authorized, and neither is the subscription: the probe goes by its PUBACK.
    let answer = |topic: &str| if topic.contains("readings") && topic.contains("dev-3") { 0x87 } else { 0 };
    for client in ["client = \"rumqttc\"", "client = \"rumqttc-next\""] {
        let run = TempDir::new_in(folder.path())?;
        let broker = Scripted::start(Script { subscription: Some(0x87), answer }).await?;
        let app = gateway(run.path(), &upstream("cloud", broker.address(), client)).await?;
        feed(&app, 14).await?;
        state(&app, "cloud", "past what was refused", |it| it.account.forwarded == 12 && it.account.dropped == 2)
            .await?;
        let told = |broker: &Scripted| broker.taken().iter().filter(|(topic, _)| topic.ends_with("/losses")).count();
        state(&app, "cloud", "through", |it| it.given_up == 2 && it.pending == 0 && told(&broker) >= 2).await?;
        let status = app.upstreams().list().remove(0);
        assert!(status.connections == 1 && status.round_trip_is_puback, "{status:?}");
        assert!(status.last_error.is_none() && status.earlier_error.is_some(), "{status:?}");
        assert!(app.stop().await.drained);
    }
    Ok(())
}

/// It showed nothing pending while halos waited, and sent each of them twice once it was connected: as one of all
/// subjects, and a second later as one that had changed meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn halos_that_wait_are_counted_and_each_goes_out_once_a_connection() -> Result<(), Failure> {
    let folder = TempDir::new()?;
    let broker = Scripted::start(Script { subscription: Some(0x87), answer: |_| 0 }).await?;
    let proxy = Proxy::start(broker.address()).await?;
    proxy.set(Mode::Refuse);
    let app = gateway(folder.path(), &upstream("cloud", proxy.address(), "send = [\"halos\"]")).await?;
    feed(&app, 14).await?;
    state(&app, "cloud", "away with halos that wait", |it| it.halos_pending == 7 && it.lag_ms > 0).await?;
    proxy.set(Mode::Pass);
    state(&app, "cloud", "through", |it| it.halos >= 7 && it.halos_pending == 0).await?;
    let came = |broker: &Scripted| broker.taken().iter().filter(|(topic, _)| topic.contains("/halos/")).count();
    assert_eq!(came(&broker), 7, "one a subject");
    proxy.cut();
    state(&app, "cloud", "through again", |it| it.connections == 2 && it.halos >= 14 && it.halos_pending == 0).await?;
    assert_eq!(came(&broker), 14, "one a subject and connection");
    assert!(app.stop().await.drained);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_takes_connections_and_swallows_the_rest_never_counts_as_flowing() -> Result<(), Failure> {
    let folder = TempDir::new()?;
    let broker = Scripted::start(Script { subscription: None, answer: |_| 0 }).await?;
    for client in ["client = \"rumqttc\"", "client = \"rumqttc-next\""] {
        let run = TempDir::new_in(folder.path())?;
        let app = gateway(run.path(), &upstream("cloud", broker.address(), client)).await?;
        feed(&app, 20).await?;
        state(&app, "cloud", "tried again and again", |it| {
            assert!(!matches!(it.state, State::Flowing | State::Stalled) && it.round_trip_ms.is_none(), "{it:?}");
            it.connections >= 3
        })
        .await?;
        assert_eq!(app.upstreams().list().remove(0).account, Account::default());
        assert!(app.stop().await.drained);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_never_brings_the_probe_back_is_used_all_the_same() -> Result<(), Failure> {
    // The echo is waited for 5 s; the next probe would be due after 20 s.
    const LONGEST: Duration = Duration::from_secs(15);
    let folder = TempDir::new()?;
    let broker = Scripted::start(Script { subscription: Some(1), answer: |_| 0 }).await?;
    let app = gateway(folder.path(), &upstream("cloud", broker.address(), "")).await?;
    feed(&app, 20).await?;
    let flows = state(&app, "cloud", "flowing", |it| it.state == State::Flowing && it.account.forwarded == 20);
    tokio::time::timeout(LONGEST, flows).await.map_err(|_| "it waited for another probe")??;
    assert!(app.upstreams().list().remove(0).round_trip_is_puback);
    assert!(app.stop().await.drained);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_a_private_authority_and_a_client_certificate_carries_data() -> Result<(), Failure> {
    if Mosquitto::program().is_none() {
        skip("mosquitto is not installed: TLS was not tried");
        return Ok(());
    }
    let folder = TempDir::new()?;
    let files = certificates(folder.path())?;
    let [ca, cert, key, stranger] = &files;
    let broker = Mosquitto::start(Some(&Tls { ca, cert, key }))?;
    for client in ["client = \"rumqttc\"", "client = \"rumqttc-next\"", "version = 4"] {
        let run = TempDir::new()?;
        let names =
            format!("url = \"mqtts://{}\"\n{client}\nca = {ca:?}\ncert = {cert:?}\nkey = {key:?}\n", broker.address());
        let app = gateway(run.path(), &format!("[[upstream]]\nname = \"tls\"\n{names}")).await?;
        feed(&app, 50).await?;
        state(&app, "tls", "through", |it| {
            it.state == State::Flowing && it.account.forwarded + it.pending >= 50 && it.pending == 0
        })
        .await?;
        assert!(app.stop().await.drained);
    }
    let run = TempDir::new()?;
    let names = format!("url = \"mqtts://{}\"\nca = {stranger:?}\ncert = {cert:?}\nkey = {key:?}\n", broker.address());
    let app = gateway(run.path(), &format!("[[upstream]]\nname = \"tls\"\n{names}")).await?;
    state(&app, "tls", "refusing a stranger", |it| {
        it.state == State::BackingOff && it.last_error.as_deref().is_some_and(|it| it.contains("certificate"))
    })
    .await?;
    assert!(app.stop().await.drained);
    Ok(())
}

/// Authority, certificate, key, and the certificate of an authority nobody knows.
fn certificates(folder: &Path) -> Result<[std::path::PathBuf; 4], Failure> {
    let authority = |name: &str| -> Result<_, Failure> {
        let mut params = rcgen::CertificateParams::new(Vec::new())?;
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = rcgen::KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Ok((certificate, rcgen::Issuer::new(params, key)))
    };
    let (ca, issuer) = authority("ours")?;
    let (stranger, _) = authority("theirs")?;
    let key = rcgen::KeyPair::generate()?;
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
    let certificate = params.signed_by(&key, &issuer)?.pem();
    let files = ["ca.pem", "cert.pem", "key.pem", "stranger.pem"].map(|name| folder.join(name));
    for (file, text) in files.iter().zip([ca, certificate, key.serialize_pem(), stranger]) {
        std::fs::write(file, text)?;
    }
    Ok(files)
}

/// How fast a backlog drains while live data goes on, and what that costs. Prints; run it alone, in release:
/// `cargo test --release -p halo-tests --test upstream -- --ignored --nocapture drains`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn a_backlog_drains_at_ten_times_the_live_rate() -> Result<(), Failure> {
    const BACKLOG: usize = 60_000;
    const LIVE_PAUSE: Duration = Duration::from_millis(5);
    const LIVE: usize = 1_000;
    let folder = TempDir::new()?;
    let broker = Mosquitto::start(None)?;
    let proxy = Proxy::start(broker.address()).await?;
    proxy.set(Mode::Refuse);
    let receiver = Receiver::start(broker.address(), "far").await?;
    let to = proxy.address();
    let config = upstream("cloud", to, "").replace("window = 64", "window = 1024");
    let app = gateway(folder.path(), &config).await?;
    feed(&app, BACKLOG).await?;
    let before = rss_kb();
    let address = app.address();
    proxy.set(Mode::Pass);
    #[expect(clippy::disallowed_methods, reason = "a measurement of real time")]
    let start = std::time::Instant::now();
    let live = async { feed_paced(address, LIVE, Some(LIVE_PAUSE)).await.map(|()| start.elapsed()) };
    let drained = async {
        state(&app, "cloud", "joined", |it| {
            it.live.is_some() && it.backfill.is_none() && it.account.forwarded >= BACKLOG as u64
        })
        .await
        .map(|()| start.elapsed())
    };
    let (live, drained) = tokio::try_join!(live, drained)?;
    receiver.until("everything", |got| got.readings.len() == BACKLOG + LIVE).await?;
    let live_rate = LIVE as f64 / live.as_secs_f64();
    let drain_rate = BACKLOG as f64 / drained.as_secs_f64();
    println!(
        "live {live_rate:.0}/s, frame 17 B JSON in, backlog {BACKLOG}, receiver mosquitto 2.0 (QoS 1, receive maximum 20) \
         with one subscriber: drained at {drain_rate:.0}/s, ratio {:.1}; RSS {} kB before, {} kB after",
        drain_rate / live_rate,
        before,
        rss_kb(),
    );
    assert!(drain_rate >= 10.0 * live_rate, "ratio {:.1}", drain_rate / live_rate);
    assert!(app.stop().await.drained);
    Ok(())
}

fn rss_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
