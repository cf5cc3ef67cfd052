mod same_log;
mod schemas;
mod speed;
