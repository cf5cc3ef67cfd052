//! Gradient boosting: the one file that names the library that grows trees.

use forust_ml::constraints::ConstraintMap;
use forust_ml::gradientbooster::{GradientBooster, GrowPolicy};
use forust_ml::objective::ObjectiveType;
use forust_ml::sampler::SampleMethod;
use forust_ml::{Matrix, tree};

use super::model::{Node, TrainSettings, Tree};
use super::train::TrainError;

/// Grows trees on rows of `features` inputs each; the same rows and settings give the same trees. Returns their base
/// value and the trees.
pub(super) fn grow(
    inputs: &[Vec<f32>],
    labels: &[f64],
    weights: &[f64],
    settings: &TrainSettings,
) -> Result<(f64, Vec<Tree>), TrainError> {
    let columns = inputs.first().map_or(0, Vec::len);
    let mut by_column = Vec::with_capacity(columns * inputs.len());
    for column in 0..columns {
        by_column.extend(inputs.iter().map(|row| row.get(column).copied().map_or(0.0, f64::from)));
    }
    let mut booster = booster(settings);
    let matrix = Matrix::new(&by_column, inputs.len(), columns);
    booster.fit(&matrix, labels, weights, None).map_err(|error| TrainError::Trees(error.to_string()))?;
    let trees = booster.trees.iter().map(translate).collect::<Result<_, _>>()?;
    Ok((booster.base_score, trees))
}

fn booster(settings: &TrainSettings) -> GradientBooster {
    let mut booster = GradientBooster::default()
        .set_objective_type(ObjectiveType::SquaredLoss)
        .set_iterations(usize::from(settings.trees))
        .set_learning_rate(settings.rate)
        .set_max_leaves(usize::from(settings.leaves))
        .set_max_depth(usize::from(super::model::DEPTH_MAX) - 1)
        .set_min_leaf_weight(f32::from(settings.leaf_rows))
        .set_l2(settings.shrink)
        .set_subsample(settings.row_share)
        .set_colsample_bytree(settings.feature_share)
        .set_sample_method(SampleMethod::Random)
        .set_initialize_base_score(true)
        .set_monotone_constraints(None::<ConstraintMap>)
        .set_parallel(false)
        .set_seed(settings.seed);
    booster.grow_policy = GrowPolicy::LossGuide;
    booster
}

/// Its nodes into ours, depth first, so that children come after their parent.
fn translate(grown: &tree::Tree) -> Result<Tree, TrainError> {
    let mut nodes = Vec::new();
    place(grown, 0, &mut nodes)?;
    Ok(Tree { nodes })
}

fn place(grown: &tree::Tree, at: usize, nodes: &mut Vec<Node>) -> Result<u8, TrainError> {
    let too_large = || TrainError::Trees(format!("a tree has more than {} nodes", super::model::NODES_MAX));
    let number = u8::try_from(nodes.len()).map_err(|_too_many| too_large())?;
    let node = grown.nodes.get(at).ok_or_else(|| TrainError::Trees(format!("a tree has no node {at}")))?;
    nodes.push(Node::Leaf(node.weight_value));
    if !node.is_leaf {
        let feature = u8::try_from(node.split_feature).map_err(|_too_many| too_large())?;
        let left = place(grown, node.left_child, nodes)?;
        let right = place(grown, node.right_child, nodes)?;
        if let Some(place) = nodes.get_mut(usize::from(number)) {
            *place = Node::Split { feature, below: node.split_value as f32, left, right };
        }
    }
    Ok(number)
}
