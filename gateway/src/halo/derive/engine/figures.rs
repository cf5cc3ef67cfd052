//! How good forecasts of remaining life are.

/// Root of the mean squared error over pairs (forecast, truth); 0 for none.
pub(crate) fn rmse(pairs: &[(f64, f64)]) -> f64 {
    let squares: f64 = pairs.iter().map(|(forecast, truth)| (forecast - truth) * (forecast - truth)).sum();
    (squares / pairs.len().max(1) as f64).sqrt()
}

/// The score of the PHM08 challenge over pairs (forecast, truth): a sum in which late forecasts cost more than early ones
/// (Saxena et al. 2008: exp(−d/13) − 1 for d < 0, else exp(d/10) − 1, with d = forecast − truth). Smaller is better.
pub(crate) fn phm08_score(pairs: &[(f64, f64)]) -> f64 {
    let cost = |d: f64| if d < 0.0 { (-d / 13.0).exp_m1() } else { (d / 10.0).exp_m1() };
    pairs.iter().map(|(forecast, truth)| cost(forecast - truth)).sum()
}
