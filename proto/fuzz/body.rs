{
    use halo_proto::birth::Birth;
    use halo_proto::chunk::{Clock, Times, VALUES_MAX};
    use halo_proto::frame::Frame;
    use halo_proto::schema::{Column, Decoded, FrameBuilder, Group, Schema, Surveyor, decode_into};
    use halo_proto::topic::{Grammar, Topic};

    if let Ok(text) = core::str::from_utf8(bytes) {
        let grammar = Grammar::default();
        let topic = grammar.parse(text);
        if !matches!(topic, Topic::Foreign | Topic::Invalid { .. }) {
            assert_eq!(grammar.display(topic).to_string(), text, "a topic is what it was parsed from");
        }
    }
    if let Ok(birth) = Birth::new_checked(bytes)
        && let Ok(schema) = Schema::from_birth(&birth)
    {
        assert_eq!(schema.birth_bytes(&birth.head()).as_deref(), Ok(bytes), "a birth has one spelling");
    }
    if let Ok(frame) = Frame::new_checked(bytes) {
        // Registered schemas do not cover every clock and tag; this one answers to whatever id the frame has.
        let column = |bias, k0| Column { metric: 1, num: 1, den: 1, bias, k0, name: None };
        let columns = |count| vec![column(70, 4); count];
        let mut groups = vec![
            Group { clock: Clock::Regular { dt_ms: 1000 }, columns: columns(1) },
            Group { clock: Clock::Interval, columns: columns(2) },
            Group { clock: Clock::Irregular { nominal_ms: 500 }, columns: columns(3) },
        ];
        groups.resize(64, Group { clock: Clock::Regular { dt_ms: 40 }, columns: columns(24) });
        let schema = Schema { id: frame.header().schema, groups };
        let mut decoded = Decoded::default();
        let result = decode_into(&frame, &schema, &mut decoded);
        let values: usize = decoded.chunks().map(|rows| rows.times.len() * rows.columns().len()).sum();
        assert!(values <= VALUES_MAX);
        let surveyed = Surveyor::default().survey(&frame, &schema);
        assert_eq!(surveyed.map(|survey| survey.sync), result.map(|()| decoded.sync), "one verdict");
        if result.is_ok() {
            let mut builder = FrameBuilder::new();
            builder.begin(&frame.header()).expect("the header was checked");
            let fits = decoded.chunks().all(|rows| {
                let columns: Vec<&[Option<i64>]> = rows.columns().collect();
                builder.chunk(&schema, rows.group, Times::Each(rows.times), &columns).is_ok()
            });
            assert!(fits, "the encoder's choice is never longer than another's");
            let mut again = Decoded::default();
            let frame = Frame::new_checked(builder.bytes()).expect("an encoded frame is a frame");
            decode_into(&frame, &schema, &mut again).expect("an encoded frame decodes");
            assert!(again.chunks().eq(decoded.chunks()));
        }
    }
}
