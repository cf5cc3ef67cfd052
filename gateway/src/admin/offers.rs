//! Offers over the socket: what organisations offer, loaded and withdrawn as if they had published it.

use bytes::Bytes;
use halo_proto::topic::Topic;
use serde_json::{Map, Value, json};

use super::desk::{BY, Desk, Refusal, check_id};
use crate::broker::Kept;
use crate::ingest::offers::{Cell, Row, Table};
use crate::record::{Body, Name, Retained};
use crate::store::head::Head;

impl Desk {
    /// A row for each table.
    pub(super) async fn offers(&self) -> Result<Vec<Value>, Refusal> {
        let tables = self.tools.appender.ask(Head::offers).await?;
        let (mut rows, mut of, mut halos) = (Vec::with_capacity(tables.len()), None, Vec::new());
        for (topic, bytes) in tables {
            let Topic::Offers { subject, table } = self.tools.grammar.parse(&topic) else { continue };
            if of.as_deref() != Some(subject) {
                (of, halos) = (Some(subject.to_owned()), self.halos(subject).await);
            }
            // The halo may be a moment behind the log.
            let shown = halos.first().map_or(&Value::Null, |halo| &halo["offers"][table]);
            rows.push(json!({
                "organisation": subject, "table": table, "rows": shown["rows"], "columns": shown["columns"],
                "bytes": bytes, "time": shown["time"],
            }));
        }
        Ok(rows)
    }

    /// One row: a table, with as many of its rows as asked for.
    pub(super) async fn offer(
        &self,
        organisation: &str,
        name: &str,
        rows_max: Option<usize>,
    ) -> Result<Vec<Value>, Refusal> {
        let topic = self.offers_topic(organisation, name)?;
        let asked = topic.clone();
        let payload = self.tools.appender.ask(move |head| head.retained_on(&asked)).await?;
        let payload = payload.ok_or_else(|| none(organisation, name))?;
        let read = off_the_runtime(move || {
            let table = Table::parse(&payload).map_err(|error| error.to_string())?;
            let columns: Vec<&str> = table.columns().iter().map(|column| &**column).collect();
            let rows: Vec<Value> = table.rows().take(rows_max.unwrap_or(usize::MAX)).map(object).collect();
            Ok::<_, String>(json!({"columns": columns, "rows_all": table.len(), "rows": rows}))
        });
        let mut row = read.await??;
        row["organisation"] = json!(organisation);
        row["table"] = json!(name);
        Ok(vec![row])
    }

    /// Publishes a table in the name of whoever may open the socket; a row says where it stands once it is durable.
    pub(super) async fn load_offers(
        &self,
        organisation: &str,
        name: &str,
        payload: String,
    ) -> Result<Vec<Value>, Refusal> {
        let topic = self.offers_topic(organisation, name)?;
        let payload = Bytes::from(payload);
        let asked = payload.clone();
        let rows = off_the_runtime(move || Table::parse(&asked).map(|table| table.len())).await?;
        let rows = rows.map_err(|error| error.to_string())?;
        let _acting = self.acting.lock().await;
        let (asked, checked) = (topic.clone(), payload.clone());
        let room = self.tools.appender.ask(move |head| head.ingest().has_room_for_offers(&asked, &checked)).await?;
        room.map_err(|full| full.to_string())?;
        let kept = Kept { topic, payload, qos: 1 };
        if !self.tools.router.has_room_for(&kept) {
            return Err("broker.retained_topics_max or broker.retained_bytes_max is reached".into());
        }
        let offset = self.publish(kept).await?;
        Ok(vec![json!({"offset": offset, "organisation": organisation, "table": name, "rows": rows})])
    }

    /// Publishes that there is no such table any more.
    pub(super) async fn withdraw_offers(&self, organisation: &str, name: &str) -> Result<Vec<Value>, Refusal> {
        let topic = self.offers_topic(organisation, name)?;
        let _acting = self.acting.lock().await;
        let asked = topic.clone();
        if self.tools.appender.ask(move |head| head.retained_on(&asked)).await?.is_none() {
            return Err(none(organisation, name));
        }
        let offset = self.publish(Kept { topic, payload: Bytes::new(), qos: 1 }).await?;
        Ok(vec![json!({"offset": offset, "organisation": organisation, "table": name})])
    }

    /// The log first, then subscribers, as with a client's publish.
    async fn publish(&self, kept: Kept) -> Result<u64, Refusal> {
        let Kept { topic, payload, qos } = kept.clone();
        let arrival = self.tools.clock.now();
        let retained = Retained { topic, publisher: Name::from(BY), qos, arrival, payload };
        let offset = self.tools.appender.append(Body::Retained(retained).into()).await?;
        self.tools.router.keep(kept);
        Ok(offset.0)
    }

    fn offers_topic(&self, organisation: &str, table: &str) -> Result<Name, Refusal> {
        check_id("organisation", organisation)?;
        check_id("table", table)?;
        Ok(self.tools.grammar.display(Topic::Offers { subject: organisation, table }).to_string().into())
    }
}

fn none(organisation: &str, table: &str) -> Refusal {
    format!("{organisation:?} offers no table {table:?}; `halo-gateway offers list` lists them").into()
}

/// Reading a table takes milliseconds: on a thread that may be busy.
async fn off_the_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Refusal::from("the table was not read"))
}

fn object(row: &Row) -> Value {
    let cell = |cell: &Cell| match cell {
        Cell::Text(text) => json!(**text),
        Cell::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => json!(*number as i64),
        Cell::Number(number) => json!(number),
        Cell::Bool(truth) => json!(truth),
    };
    Value::Object(row.cells().map(|(column, it)| (column.to_string(), cell(it))).collect::<Map<_, _>>())
}
