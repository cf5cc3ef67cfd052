mod facts;
mod harm;
