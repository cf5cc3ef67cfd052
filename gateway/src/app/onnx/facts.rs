//! What an ONNX file says of itself, before anything is built of it.

use std::collections::BTreeMap;

use rten_onnx::onnx::{DataType, Dimension, GraphProto, ModelProto, ValueInfoProto};

use super::{OnnxError, whole};

/// Versions of the file's format; 3 is of 2017, 13 the newest when this was written.
const IR: (i64, i64) = (3, 13);
/// Versions of the operators; 9 is of 2019 and the oldest the runtime reads as it was meant, 26 the newest it knows.
const OPSET: (i64, i64) = (9, 26);

/// What is told of a model.
pub(crate) struct Facts {
    pub(crate) bytes: usize,
    pub(crate) ir: i64,
    /// Of the standard operators.
    pub(crate) opset: i64,
    pub(crate) producer: String,
    pub(crate) inputs: Vec<Tensor>,
    pub(crate) outputs: Vec<Tensor>,
    /// How often it uses each operator, by name.
    pub(crate) operators: BTreeMap<String, usize>,
    /// Numbers in its weights.
    pub(crate) parameters: u64,
}

/// An input or an output.
pub(crate) struct Tensor {
    pub(crate) name: String,
    is_float: bool,
    /// None: it is not told; of a dimension: any, as that of a batch.
    shape: Option<Vec<Option<i64>>>,
    kind: &'static str,
}

impl Facts {
    /// Reads a file as far as it tells of itself.
    ///
    /// # Errors
    /// [`OnnxError`]: it is not whole, or of another version.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, OnnxError> {
        whole::check(bytes)?;
        let model = ModelProto::parse_buf(bytes).map_err(|error| OnnxError::Unread(error.to_string()))?;
        let ir = model.ir_version.ok_or(OnnxError::Lacks("is no ONNX model: it has no version"))?;
        within("file format (IR)", ir, IR)?;
        let standard = |domain: Option<&str>| matches!(domain.unwrap_or_default(), "" | "ai.onnx");
        let opset = model.opset_import.iter().find(|it| standard(it.domain.as_deref())).and_then(|it| it.version);
        let opset = opset.ok_or(OnnxError::Lacks("does not say which operators it uses (opset); is it cut off?"))?;
        within("operators (opset)", opset, OPSET)?;
        let graph = model.graph.as_ref().ok_or(OnnxError::Lacks("has no graph"))?;
        let mut operators = BTreeMap::new();
        for node in &graph.node {
            *operators.entry(node.op_type.clone().unwrap_or_default()).or_default() += 1;
        }
        let texts = [model.producer_name.as_deref(), model.producer_version.as_deref()];
        Ok(Self {
            bytes: bytes.len(),
            ir,
            opset,
            producer: texts.into_iter().flatten().collect::<Vec<_>>().join(" "),
            inputs: inputs(graph),
            outputs: graph.output.iter().map(Tensor::new).collect(),
            operators,
            parameters: graph.initializer.iter().map(|it| numbers(&it.dims)).sum(),
        })
    }

    /// How many numbers it takes, if it says so.
    pub(crate) fn numbers(&self) -> Option<usize> {
        let [input] = &*self.inputs else { return None };
        let len = input.shape.as_ref()?.last()?.and_then(|len| usize::try_from(len).ok())?;
        self.takes(len).ok().map(|_| len)
    }

    /// How many dimensions the input has, if it is one tensor of `wanted` numbers.
    pub(super) fn takes(&self, wanted: usize) -> Result<usize, OnnxError> {
        let got = || match &*self.inputs {
            [] => "nothing".to_owned(),
            inputs => inputs.iter().map(Tensor::to_string).collect::<Vec<_>>().join(" and "),
        };
        let refused = || OnnxError::Input { got: got(), wanted };
        let [input] = &*self.inputs else { return Err(refused()) };
        let is_wanted = |len: Option<i64>| len.is_none_or(|len| usize::try_from(len) == Ok(wanted));
        match input.shape.as_deref() {
            Some([len]) if input.is_float && is_wanted(*len) => Ok(1),
            Some([batch, len]) if input.is_float && batch.is_none_or(|it| it == 1) && is_wanted(*len) => Ok(2),
            _ => Err(refused()),
        }
    }

    /// The name of the first output that is numbers: a classifier tells labels before.
    pub(super) fn tells(&self) -> Result<&str, OnnxError> {
        let told = self.outputs.iter().find(|it| it.is_float);
        told.map(|it| &*it.name).ok_or(OnnxError::Lacks("has no output of float32"))
    }
}

impl Tensor {
    fn new(value: &ValueInfoProto) -> Self {
        let tensor = value.r#type.as_ref().and_then(|it| it.tensor_type.as_ref());
        let kind = tensor.and_then(|it| it.elem_type);
        let len = |it: &Dimension| it.dim_value.filter(|_| it.dim_param.is_none());
        Self {
            name: value.name.clone().unwrap_or_default(),
            is_float: kind == Some(DataType::FLOAT),
            shape: tensor.and_then(|it| it.shape.as_ref()).map(|it| it.dim.iter().map(len).collect()),
            kind: kind.map_or("not a tensor", kind_name),
        }
    }
}

impl std::fmt::Display for Tensor {
    /// `x float32 [?, 3]`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.kind)?;
        let Some(shape) = &self.shape else { return f.write_str(" of no told shape") };
        let lens: Vec<_> = shape.iter().map(|len| len.map_or("?".to_owned(), |len| len.to_string())).collect();
        write!(f, " [{}]", lens.join(", "))
    }
}

/// Old files list their weights among the inputs.
fn inputs(graph: &GraphProto) -> Vec<Tensor> {
    let is_weight = |name: &Option<String>| graph.initializer.iter().any(|it| it.name == *name);
    graph.input.iter().filter(|it| !is_weight(&it.name)).map(Tensor::new).collect()
}

fn within(what: &'static str, got: i64, (least, most): (i64, i64)) -> Result<(), OnnxError> {
    if (least..=most).contains(&got) { Ok(()) } else { Err(OnnxError::Version { what, got, least, most }) }
}

fn numbers(dims: &[i64]) -> u64 {
    dims.iter().fold(1, |numbers: u64, len| numbers.saturating_mul(u64::try_from(*len).unwrap_or(0)))
}

fn kind_name(kind: DataType) -> &'static str {
    match kind {
        DataType::FLOAT => "float32",
        DataType::DOUBLE => "float64",
        DataType::FLOAT16 => "float16",
        DataType::INT64 => "int64",
        DataType::INT32 => "int32",
        DataType::STRING => "text",
        DataType::BOOL => "bool",
        _ => "of another type",
    }
}
