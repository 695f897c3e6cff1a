//! The lane played by hand (scenarios by subject) and by chance (the simulator).

mod admission;
mod doubt;
mod drain;
mod gaps;
mod handed_over;
mod harness;
mod identity;
mod lease;
mod memory;
mod overdue;
mod restart;
mod retry;
mod simulator;
mod words;
mod writes;
