use std::cell::RefCell;

use rten_onnx::onnx::{
    DataType, Dimension, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto,
    TypeProto, TypeProtoTensor, ValueInfoProto,
};

use super::*;

const LONG: Duration = Duration::from_secs(60);

fn value(name: &str, kind: DataType, shape: &[Option<i64>]) -> ValueInfoProto {
    let dim = |len: &Option<i64>| Dimension { dim_value: *len, dim_param: len.is_none().then(|| "N".to_owned()) };
    let shape = Some(TensorShapeProto { dim: shape.iter().map(dim).collect() });
    let tensor_type = Some(TypeProtoTensor { elem_type: Some(kind), shape });
    let r#type = Some(TypeProto { tensor_type, ..TypeProto::default() });
    ValueInfoProto { name: Some(name.to_owned()), r#type }
}

fn weights(name: &str, dims: &[i64], numbers: &[f32]) -> TensorProto {
    let raw = numbers.iter().flat_map(|it| it.to_le_bytes()).collect();
    TensorProto {
        dims: dims.to_vec(),
        data_type: Some(DataType::FLOAT),
        raw_data: Some(RefCell::new(raw)),
        name: Some(name.to_owned()),
        ..TensorProto::default()
    }
}

fn node(operator: &str, from: &[&str], to: &str) -> NodeProto {
    NodeProto {
        op_type: Some(operator.to_owned()),
        input: from.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![to.to_owned()],
        name: Some(format!("the {operator}")),
        ..NodeProto::default()
    }
}

/// `y = x · [1, 10; 2, 20; 3, 30] + [0.5, 5]`, of any number of rows.
fn linear() -> ModelProto {
    let graph = GraphProto {
        node: vec![node("MatMul", &["x", "w"], "xw"), node("Add", &["xw", "b"], "y")],
        initializer: vec![weights("w", &[3, 2], &[1.0, 10.0, 2.0, 20.0, 3.0, 30.0]), weights("b", &[2], &[0.5, 5.0])],
        input: vec![value("x", DataType::FLOAT, &[None, Some(3)])],
        output: vec![value("y", DataType::FLOAT, &[None, Some(2)])],
        ..GraphProto::default()
    };
    let opset = OperatorSetIdProto { domain: Some(String::new()), version: Some(17) };
    ModelProto {
        ir_version: Some(8),
        graph: Some(graph),
        opset_import: vec![opset],
        producer_name: Some("by hand".to_owned()),
        producer_version: Some("1.0".to_owned()),
        ..ModelProto::default()
    }
}

fn changed(change: impl FnOnce(&mut ModelProto, &mut GraphProto)) -> Vec<u8> {
    let mut model = linear();
    let mut graph = model.graph.take().expect("it has one");
    change(&mut model, &mut graph);
    model.graph = Some(graph);
    model.write_buf().expect("written")
}

fn bytes() -> Vec<u8> {
    changed(|_, _| {})
}

fn refused(bytes: Vec<u8>) -> String {
    Model::load(bytes, 3, 0, LONG).map(drop).expect_err("refused").to_string()
}

#[test]
fn a_linear_model_tells_what_its_weights_say() {
    for (output, wanted) in [(0, [14.5, 0.5]), (1, [145.0, 5.0])] {
        let model = Model::load(bytes(), 3, output, LONG).unwrap_or_else(|error| panic!("{error}"));
        for (inputs, wanted) in [[1.0, 2.0, 3.0], [0.0; 3]].iter().zip(wanted) {
            assert_eq!(model.run(inputs), Ok(wanted));
        }
    }
    let one_row = changed(|_, graph| graph.input = vec![value("x", DataType::FLOAT, &[Some(1), Some(3)])]);
    assert_eq!(Model::load(one_row, 3, 0, LONG).map(|it| it.run(&[1.0, 0.0, 0.0])).ok(), Some(Ok(1.5)));
    let flat = changed(|_, graph| graph.input = vec![value("x", DataType::FLOAT, &[Some(3)])]);
    assert_eq!(Model::load(flat, 3, 1, LONG).map(|it| it.run(&[0.0, 1.0, 0.0])).ok(), Some(Ok(25.0)));
}

#[test]
fn a_file_says_what_it_is() {
    let bytes = bytes();
    let facts = Facts::read(&bytes).expect("whole");
    assert_eq!((facts.bytes, facts.ir, facts.opset, &*facts.producer), (bytes.len(), 8, 17, "by hand 1.0"));
    assert_eq!(
        (facts.inputs[0].to_string(), facts.outputs[0].to_string()),
        ("x float32 [?, 3]".into(), "y float32 [?, 2]".into())
    );
    let operators: Vec<_> = facts.operators.iter().map(|(name, times)| (&**name, *times)).collect();
    assert_eq!((operators, facts.parameters), (vec![("Add", 1), ("MatMul", 1)], 8));
    assert_eq!(facts.numbers(), Some(3));
    let any = changed(|_, graph| graph.input = vec![value("x", DataType::FLOAT, &[None, None])]);
    assert_eq!(Facts::read(&any).expect("whole").numbers(), None);
}

#[test]
fn a_file_that_was_cut_off_is_refused_wherever_it_was() {
    let bytes = bytes();
    for end in 0..bytes.len() {
        let error = refused(bytes[..end].to_vec());
        let told = [
            "is damaged or cut off",
            "is no ONNX model",
            "begins no field",
            "is it cut off?",
            "has no graph",
            "is empty",
        ];
        let version = "does not say which operators";
        assert!(told.iter().chain([&version]).any(|told| error.contains(told)), "{end} bytes: {error}");
    }
}

#[test]
fn a_byte_that_is_another_refuses_a_file_or_makes_another_model_and_never_ends_the_process() {
    let bytes = bytes();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        if let Ok(model) = Model::load(damaged, 3, 0, LONG) {
            drop(model.run(&[1.0, 2.0, 3.0]));
        }
    }
}

/// The runtime's parser takes memory for what a length says, however long that is.
#[test]
fn a_length_that_is_a_lie_is_refused_before_memory_is_taken_for_it() {
    // A node whose operator has a name of 2^56 bytes.
    let lie = [&[0x08, 8, 0x3a, 12, 0x0a, 10, 0x22][..], &[0x80; 8], &[0x01]].concat();
    let error = refused(lie);
    assert_eq!(error, format!("is damaged or cut off at byte 6: a node wants {} bytes, 0 are left", 1_u64 << 56));
}

#[test]
fn another_version_is_refused_with_those_that_are_read() {
    let opset = |version| changed(move |model, _| model.opset_import[0].version = Some(version));
    let told = |got| format!("is of operators (opset) {got}, this build reads 9 to 26");
    assert_eq!((refused(opset(8)), refused(opset(99))), (told(8), told(99)));
    let ir = changed(|model, _| model.ir_version = Some(99));
    assert_eq!(refused(ir), "is of file format (IR) 99, this build reads 3 to 13");
    let none = changed(|model, _| model.opset_import.clear());
    assert_eq!(refused(none), "does not say which operators it uses (opset); is it cut off?");
}

#[test]
fn inputs_of_another_shape_number_or_type_are_refused_with_what_there_is() {
    let input = |kind, shape: &'static [Option<i64>]| {
        refused(changed(move |_, graph| graph.input = vec![value("x", kind, shape)]))
    };
    let told = |got: &str| format!("takes {got}; wanted one tensor float32 [1, 3] or [3]");
    let float = DataType::FLOAT;
    assert_eq!(input(float, &[None, Some(4)]), told("x float32 [?, 4]"));
    assert_eq!(input(float, &[Some(2), Some(3)]), told("x float32 [2, 3]"));
    assert_eq!(input(float, &[Some(1), Some(1), Some(3)]), told("x float32 [1, 1, 3]"));
    assert_eq!(input(float, &[]), told("x float32 []"));
    assert_eq!(input(DataType::DOUBLE, &[None, Some(3)]), told("x float64 [?, 3]"));
    let two = changed(|_, graph| graph.input.push(value("z", float, &[None, Some(3)])));
    assert_eq!(refused(two), told("x float32 [?, 3] and z float32 [?, 3]"));
    let none = changed(|_, graph| graph.input.clear());
    assert_eq!(refused(none), told("nothing"));
    let listed = changed(|_, graph| graph.input.push(value("w", float, &[Some(3), Some(2)])));
    assert_eq!(Model::load(listed, 3, 0, LONG).map(drop), Ok(()), "weights that are listed as inputs are none");
}

#[test]
fn outputs_that_are_not_there_are_refused() {
    let error = Model::load(bytes(), 3, 2, LONG).map(drop).expect_err("refused").to_string();
    assert_eq!(error, "failed in a trial run: output = 2, and its output y has 2 numbers, the first is 0");
    let labels = changed(|_, graph| graph.output = vec![value("y", DataType::INT64, &[None])]);
    assert_eq!(refused(labels), "has no output of float32");
    let second = changed(|_, graph| graph.output.insert(0, value("x", DataType::INT64, &[None])));
    assert_eq!(Model::load(second, 3, 0, LONG).map(drop), Ok(()), "labels come first, numbers are told");
}

#[test]
fn what_the_runtime_does_not_have_is_refused_by_its_name() {
    let unknown = changed(|_, graph| graph.node[1].op_type = Some("TreeEnsembleRegressor".to_owned()));
    let error = refused(unknown);
    assert!(error.starts_with("cannot be run here: ") && error.contains("TreeEnsembleRegressor"), "{error}");
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let short = changed(|_, graph| graph.initializer[0] = weights("w", &[3, 2], &[1.0]));
    let error = refused(short);
    assert!(error.starts_with("cannot be run here: "), "{error}");
    let other = changed(|_, graph| graph.initializer[0] = weights("w", &[4, 1], &[1.0; 4]));
    let error = refused(other);
    assert!(error.starts_with("failed in a trial run: "), "{error}");
}

#[test]
fn a_model_that_takes_longer_than_its_limit_in_a_trial_is_refused() {
    let (release, held) = std::sync::mpsc::sync_channel::<()>(0);
    let compute = move |_| {
        held.recv().map_err(|_| "it was let go".to_owned())?;
        Ok(0.0)
    };
    let worker = Worker::start(|work| work(), LONG, move || Ok(compute)).expect("a worker");
    let wait = Duration::from_millis(1);
    assert_eq!(trial(&worker, 3, LONG, wait), Err(OnnxError::Endless("its first answer", wait)));
    drop(release);
    let quick = Worker::start(|work| work(), LONG, || Ok(|_| Ok(0.0))).expect("a worker");
    assert!(trial(&quick, 3, LONG, LONG).is_ok_and(|took| took > Duration::ZERO));
    let none = Duration::from_nanos(1);
    assert_eq!(Model::load(bytes(), 3, 0, none).map(drop), Err(OnnxError::Slow(none)), "nothing takes no time");
    let failing = Worker::start(|work| work(), LONG, || Ok(|_| Err("no such axis".to_owned()))).expect("a worker");
    assert_eq!(trial(&failing, 3, LONG, LONG), Err(OnnxError::Failed("no such axis".to_owned())));
}
