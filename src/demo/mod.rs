//! The demo: the real keeper keeps a real vault on a local chain with real Uniswap and Chainlink contracts, while a
//! market is driven through it and simpler bots keep vaults of their own beside it.

mod contestant;
mod drive;
mod prices;
mod screen;

pub use contestant::believed_prices;
pub use drive::{Demo, drive};
pub use prices::{FilePath, path_from_files};
