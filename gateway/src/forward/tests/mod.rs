mod from_the_log;
mod same_log;
mod schemas;
mod speed;
