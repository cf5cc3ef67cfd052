//! 3. Records become what is known of each subject now.

mod sketch;
mod window;
