mod facts;
mod first;
mod harm;
