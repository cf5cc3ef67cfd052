use proptest::prelude::*;

use super::*;
use crate::record::Name;

fn parsed(payload: &str) -> Table {
    Table::parse(payload.as_bytes()).expect("a table")
}

fn refused(payload: impl AsRef<[u8]>) -> String {
    Table::parse(payload.as_ref()).expect_err("no table").to_string()
}

fn text(text: &str) -> Cell {
    Cell::Text(text.into())
}

#[test]
fn a_csv_has_its_keys_in_the_column_key_or_else_in_the_first() {
    let table = parsed("place,key,price\nmitte,tea,2.50\nwest,coffee,3\n");
    let keys: Vec<_> = table.rows().map(|row| &**row.key()).collect();
    assert_eq!(keys, ["coffee", "tea"], "in order");
    assert_eq!(table.by_key("tea").and_then(|row| row.cell("price")), Some(&Cell::Number(2.5)));
    assert_eq!(table.by_key("tea").and_then(|row| row.cell("key")), Some(&text("tea")));
    assert!(table.by_key("water").is_none() && table.row(2).is_none());
    let first = parsed("route,stops\nM1,12\n");
    assert_eq!(first.by_key("M1").and_then(|row| row.cell("stops")), Some(&Cell::Number(12.0)));
}

#[test]
fn a_csv_cell_is_what_it_looks_like_and_a_code_stays_text() {
    let table = parsed("key,a,b,c,d,e,f\r\nx,true, -1.5e3 ,,007,+49 30,\"a \"\"b\"\",\r\nc\"\r\n");
    let row = table.by_key("x").expect("the row");
    assert_eq!(row.cell("a"), Some(&Cell::Bool(true)));
    assert_eq!(row.cell("b"), Some(&Cell::Number(-1500.0)), "blanks around do not count");
    assert_eq!(row.cell("c"), None);
    assert_eq!(row.cell("d"), Some(&text("007")));
    assert_eq!(row.cell("e"), Some(&text("+49 30")));
    assert_eq!(row.cell("f"), Some(&text("a \"b\",\r\nc")));
    assert_eq!(row.cell("nothing"), None);
    for not_a_number in ["inf", "NaN", "1e999", "1.", ".5", "-", "1_000", "0x1F", "01"] {
        let table = parsed(&format!("key,v\na,{not_a_number}\n"));
        assert_eq!(table.by_key("a").and_then(|row| row.cell("v")), Some(&text(not_a_number)));
    }
    let minus_zero = parsed("key,v\na,-0\n");
    assert_eq!(minus_zero.rows_where("v", &Cell::Number(0.0)).count(), 1);
}

#[test]
fn json_and_csv_say_the_same() {
    let csv = parsed("key,price,open\nb,2,true\na,1.5,false\n");
    let array = parsed(r#"[{"key":"a","price":1.5,"open":false},{"price":2,"open":true,"key":"b"}]"#);
    let object = parsed("\u{feff} \n{\"b\":{\"price\":2,\"open\":true},\"a\":{\"price\":1.5,\"open\":false}}");
    assert_eq!(array, csv);
    assert_eq!(object, csv);
    let sparse = parsed(r#"[{"key":"a","x":null},{"key":"b","y":"\u00e4"}]"#);
    assert_eq!(sparse.columns().iter().map(|it| &**it).collect::<Vec<_>>(), ["key", "x", "y"]);
    assert_eq!(sparse.by_key("a").map(|row| row.cells().count()), Some(1), "null is absent");
    assert_eq!(sparse.by_key("b").and_then(|row| row.cell("y")), Some(&text("ä")));
    assert!(parsed("[]").is_empty() && parsed("key,a\n").is_empty(), "a table may have no rows yet");
}

#[test]
fn what_is_wrong_is_named_with_line_and_column() {
    let cases: [(&str, &str); 20] = [
        ("", "table is empty, wanted a CSV with a header line, or JSON"),
        ("\u{feff} \n", "table is empty, wanted a CSV with a header line, or JSON"),
        ("key,a\nx,1\ny,2\nx,3\n", "line 4, column 1: key \"x\" is the key of the row at line 2, column 1 already"),
        ("key,a\nx,1,2\n", "line 2, column 1: row has 3 cells, the header has 2"),
        ("key,a\nx,1\ny\n", "line 3, column 1: row has 1 cells, the header has 2"),
        ("key,a,a\n", "line 1, column 7: column \"a\" is there twice"),
        ("key,ä\n", "line 1, column 5: column name \"ä\" is not of the form [A-Za-z_][A-Za-z0-9_]{0,63}"),
        ("key;a\n", "line 1, column 1: column name \"key;a\" is not of the form [A-Za-z_][A-Za-z0-9_]{0,63}"),
        ("key,a\näö,\"x\ny,2\n", "line 2, column 4: a quote that is never closed"),
        ("key,a\nx,\"1\"2\n", "line 2, column 6: text behind a closing quote, wanted a comma or the end of the line"),
        ("key,a\nx,5\" pipe\n", "line 2, column 4: a quote within a cell: put the cell in quotes and double it"),
        ("a,key\n1,\n", "line 2, column 3: key has 0 bytes, wanted 1 to 128"),
        ("k\0e\0y\0", "line 1, column 2: a zero byte: is the text in UTF-16? Save the table as UTF-8"),
        ("key\rx\r", "line 1, column 4: a carriage return that no line feed follows"),
        (
            "[{\"key\":\"a\"},\n {\"key\":\"a\"}]",
            "line 2, column 2: key \"a\" is the key of the row at line 1, column 2 already",
        ),
        ("[{\"key\":\"a\"},\n {\"b\":1}]", "line 2, column 2: row has no \"key\", which is to be text"),
        ("[{\"key\":17}]", "line 1, column 2: row has no \"key\", which is to be text"),
        (
            "{\"a\":{\"x\":1},\n\"b\":{\"x\":[1]}}",
            "line 2, column 10: invalid type: sequence, expected text, a number, true, false or null",
        ),
        ("[{\"key\":\"a\"},\n 5]", "line 2, column 2: invalid type: integer `5`, expected a flat object"),
        ("[{\"key\":\"a\",\n\"b\":}]", "line 2, column 5: expected value"),
    ];
    for (payload, wanted) in cases {
        assert_eq!(refused(payload), wanted, "{payload:?}");
    }
    let latin = b"key,name\na,Stra\xDFe\n";
    let wanted = "line 2, column 7: not UTF-8, the only encoding that is read: save the table as UTF-8";
    assert_eq!(refused(latin), wanted);
    assert!(refused(b"\xFF\xFEk\0").contains("line 1, column 1: not UTF-8"));
}

#[test]
fn every_bound_is_a_clear_error() {
    let rows = |count: usize| (0..count).fold("key\n".to_owned(), |rows, at| rows + &format!("k{at}\n"));
    assert_eq!(parsed(&rows(ROWS_MAX)).len(), ROWS_MAX);
    assert_eq!(refused(rows(ROWS_MAX + 1)), "line 10002, column 1: more than 10000 rows");
    let names = |count: usize| (0..count).map(|at| format!("c{at}")).collect::<Vec<_>>().join(",");
    assert_eq!(parsed(&names(COLUMNS_MAX)).columns().len(), COLUMNS_MAX);
    assert!(refused(names(COLUMNS_MAX + 1)).ends_with("more than 64 columns"));
    let cell = |len: usize| format!("key,a\nx,{}\n", "y".repeat(len));
    parsed(&cell(CELL_BYTES_MAX));
    assert_eq!(refused(cell(CELL_BYTES_MAX + 1)), "line 2, column 3: cell has 257 bytes, wanted at most 256");
    let key = |len: usize| format!("[{{\"key\":\"{}\"}}]", "y".repeat(len));
    parsed(&key(KEY_BYTES_MAX));
    assert_eq!(refused(key(KEY_BYTES_MAX + 1)), "line 1, column 2: key has 129 bytes, wanted 1 to 128");
    assert_eq!(
        refused("x".repeat(TABLE_BYTES_MAX + 1)),
        "table has 1048577 bytes, wanted at most 1048576",
        "before it is looked at"
    );
    let wide = (0..5_000).fold(names(COLUMNS_MAX) + "\n", |rows, at| rows + &format!("{at}{}\n", ",1".repeat(63)));
    assert_eq!(refused(wide), "line 3127, column 1: more than 200000 cells that are not empty");
}

#[test]
fn rows_are_found_by_the_value_of_any_column() {
    let table = parsed("key,zone,seats\nc,west,4\na,mitte,4\nb,west,\nd,west,2\n");
    let keys = |column: &str, is: &Cell| -> Vec<String> {
        table.rows_where(column, is).map(|row| row.key().to_string()).collect()
    };
    assert_eq!(keys("zone", &text("west")), ["b", "c", "d"], "in order of keys");
    assert_eq!(keys("seats", &Cell::Number(4.0)), ["a", "c"]);
    assert_eq!(keys("key", &text("d")), ["d"]);
    assert!(keys("zone", &text("nord")).is_empty());
    assert!(keys("seats", &text("4")).is_empty(), "a number is no text");
    assert!(keys("seats", &Cell::Number(f64::NAN)).is_empty());
    assert!(keys("colour", &text("west")).is_empty());
}

#[test]
fn tables_beyond_the_bounds_have_no_room_and_replacing_one_needs_only_the_difference() {
    let mut counted = Counted::default();
    let name = |at: usize| Name::from(format!("halo/v1/offers/shop/t{at}"));
    for at in 0..TABLES_MAX {
        counted.check(&name(at), b"key\n").expect("room");
        counted.count(&name(at), b"key\n");
    }
    assert_eq!(counted.check(&name(TABLES_MAX), b"key\n"), Err(Full::Tables));
    assert_eq!(counted.check(&name(7), b"key\na\n"), Ok(()), "in the place of another");
    counted.count(&name(0), b"");
    assert_eq!(counted.check(&name(TABLES_MAX), b"key\n"), Ok(()), "one was withdrawn");

    let mut counted = Counted::default();
    let heavy = "key,a,b,c\n".to_owned() + &"x,1,2,3\n".repeat(60_000);
    let room = usize::try_from(OFFERS_BYTES_MAX / weight(heavy.as_bytes())).expect("small");
    for at in 0..room {
        counted.check(&name(at), heavy.as_bytes()).expect("room");
        counted.count(&name(at), heavy.as_bytes());
    }
    assert!(matches!(counted.check(&name(room), heavy.as_bytes()), Err(Full::Bytes { got }) if got > OFFERS_BYTES_MAX));
    assert_eq!(counted.check(&name(0), heavy.as_bytes()), Ok(()));
}

/// Figures, not a test: `cargo test -p halo-gateway --lib offers::tests::cost -- --ignored --nocapture`.
#[test]
#[ignore = "prints how long reading the largest tables takes"]
#[expect(clippy::disallowed_methods, reason = "a measurement reads a clock")]
fn cost_of_the_largest_tables() {
    let tariff = (0..10_000).fold("key,zone,from,until,price,note\n".to_owned(), |rows, at| {
        rows + &format!(
            "t{at},zone{},2026-11-01T00:00:00Z,2026-12-01T00:00:00Z,{}.{},{}\n",
            at % 50,
            at % 90,
            at % 10,
            "n".repeat(38)
        )
    });
    let texts = (0..2_500).fold(
        "k".to_owned() + &(0..60).fold(String::new(), |all, at| all + &format!(",c{at}")) + "\n",
        |rows, at| {
            rows + &format!("{at}")
                + &(0..60).fold(String::new(), |all, c| all + &format!(",{:x}", (at * 60 + c) * 7))
                + "\n"
        },
    );
    let pretty = format!("[{}]", (0..5_000).map(|at| format!("\n  {{\n    \"key\": \"r{at}\",\n    \"price\": {at}.5,\n    \"zone\": \"z{}\",\n    \"note\": \"{}\"\n  }}", at % 7, "n".repeat(100))).collect::<Vec<_>>().join(","));
    for (name, payload) in [("tariff.csv", tariff), ("texts.csv", texts), ("pretty.json", pretty)] {
        // The best of twenty: what it costs on a processor that does nothing else meanwhile.
        let mut best = [std::time::Duration::MAX; 2];
        for _ in 0..20 {
            let begun = std::time::Instant::now();
            let table = Table::parse(payload.as_bytes()).expect("a table");
            let read = begun.elapsed();
            table.rows_where("zone", &text("z3")).count();
            best = [best[0].min(read), best[1].min(begun.elapsed() - read)];
        }
        let table = Table::parse(payload.as_bytes()).expect("a table");
        let (bytes, rows, memory, weight) =
            (payload.len(), table.len(), table.memory_bytes(), weight(payload.as_bytes()));
        let [read, asked] = best;
        println!(
            "{name}: {bytes} bytes, {rows} rows: read in {read:?}, first question {asked:?}; {memory} bytes, at most {weight}"
        );
    }
}

fn anything() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "key", "a", "b", ",", ",", ",", "\n", "\n", "\r\n", "\"", "\"\"", "[", "]", "{", "}", ":", "\"key\":",
        "\"a\":", "1", "-0", "1e5", "true", "null", " ", "\u{feff}", "ä", "\0", "\\u00e4", "7", "\\",
    ]);
    let pieces = prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat().into_bytes());
    let rows = prop::collection::vec(("[a-z]{1,9}", any::<i16>(), "[a-zA-Z ]{0,40}"), 0..40).prop_map(|rows| {
        rows.iter().fold("key,n,t\n".to_owned(), |all, (key, n, t)| all + &format!("{key},{n},{t}\n")).into_bytes()
    });
    prop_oneof![prop::collection::vec(any::<u8>(), 0..200), pieces, rows]
}

proptest! {
    #[test]
    fn any_bytes_are_a_table_within_bounds_or_an_error(payload in anything()) {
        let Ok(table) = Table::parse(&payload) else { return Ok(()) };
        prop_assert!(table.len() <= ROWS_MAX && table.columns().len() <= COLUMNS_MAX);
        prop_assert!(table.columns().iter().all(|name| is_column_name(name)));
        for row in table.rows() {
            prop_assert!((1..=KEY_BYTES_MAX).contains(&row.key().len()));
            prop_assert_eq!(table.by_key(row.key()).map(Row::key), Some(row.key()));
            for (column, cell) in row.cells() {
                prop_assert_eq!(row.cell(column), Some(cell));
                prop_assert!(table.rows_where(column, cell).any(|found| found.key() == row.key()));
            }
        }
        prop_assert!(table.memory_bytes() as u64 <= weight(&payload), "{} of {}", table.memory_bytes(), weight(&payload));
        prop_assert_eq!(Table::parse(&payload), Ok(table), "the same again");
    }
}
