mod cohorts;
mod from_the_log;
mod outs;
mod same_log;
mod schemas;
mod sparks;
mod speed;
