//! `keeper quote`: the exact arithmetic of one swap.

use std::process::ExitCode;

use alloy::primitives::{Address, U256};
use clap::Args;
use eyre::WrapErr;
use serde::Serialize;

use super::connect::open;
use super::output::Row;
use super::snapshot::At;
use super::{Context, Failure, Outcome};
use crate::domain::venues::uniswap_v3::{Pool, Quote as Swap};
use crate::reader::{Mode, pool};

/// What a Uniswap v3 pool pays for an exact amount in, by integer arithmetic over its state at one block.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keeper quote --rpc http://127.0.0.1:8545 \
                        --pool 0x88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640 \
                        --token-in 0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2 --amount-in 1000000000000000000")]
pub(super) struct Quote {
    /// JSON-RPC endpoint.
    #[arg(long, value_name = "URL")]
    rpc: String,
    /// The pool.
    #[arg(long, value_name = "ADDR")]
    pool: Address,
    /// The token given.
    #[arg(long, value_name = "ADDR")]
    token_in: Address,
    /// Amount given, in its smallest units.
    #[arg(long, value_name = "N", value_parser = amount)]
    amount_in: U256,
    /// Block number; the newest where absent.
    #[arg(long)]
    block: Option<u64>,
    /// Words of the tick bitmap to read on each side of the price.
    #[arg(long, default_value_t = 4)]
    tick_words: u16,
    /// How to read: by code override, by Multicall3, or the first with the second as its fallback.
    #[arg(long, value_enum, default_value_t = Mode::Auto)]
    reader: Mode,
}

/// What the command prints; amounts in smallest units.
#[derive(Serialize)]
struct Printed {
    block: String,
    block_hash: String,
    amount_in: String,
    amount_out: String,
    /// Amount in that stays with the pool as fee.
    fee: String,
    /// How far the average price stays behind the price before, the fee left out, basis points.
    price_impact_bps: f64,
    ticks_crossed: u32,
    sqrt_price_before: String,
    sqrt_price_after: String,
    tick_after: i32,
}

/// An amount of which something can be given.
fn amount(text: &str) -> Result<U256, String> {
    let amount = text.parse().ok().filter(|amount: &U256| !amount.is_zero());
    amount.ok_or_else(|| "expected a whole number above 0".to_owned())
}

impl Quote {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        let endpoint = open("--rpc", &self.rpc).await?;
        let header = At(self.block).header(&endpoint).await?;
        let read = pool(&endpoint, &header, (self.pool, self.tick_words), self.reader).await;
        let pool = read.wrap_err_with(|| format!("pool {} cannot be read", self.pool))?;
        let zero_for_one = self.direction(&pool)?;
        let swap = pool.quote_exact_in(zero_for_one, self.amount_in).wrap_err("there is no quote")?;
        let printed = Printed {
            block: header.number.to_string(),
            block_hash: header.hash.to_string(),
            ..printed(&pool, &swap, zero_for_one)
        };
        context.output.print(&printed, rows)?;
        Ok(ExitCode::SUCCESS)
    }

    fn direction(&self, pool: &Pool) -> Result<bool, Failure> {
        if self.token_in == pool.token0 {
            return Ok(true);
        }
        if self.token_in == pool.token1 {
            return Ok(false);
        }
        let (zero, one) = (pool.token0, pool.token1);
        Err(Failure::usage(eyre::eyre!("pool {} trades {zero} and {one}, not {}", self.pool, self.token_in)))
    }
}

fn printed(pool: &Pool, swap: &Swap, zero_for_one: bool) -> Printed {
    Printed {
        block: String::new(),
        block_hash: String::new(),
        amount_in: swap.amount_in.to_string(),
        amount_out: swap.amount_out.to_string(),
        fee: swap.fee.to_string(),
        price_impact_bps: pool.price_impact_bps(swap, zero_for_one),
        ticks_crossed: swap.ticks_crossed,
        sqrt_price_before: pool.sqrt_price_x96.to_string(),
        sqrt_price_after: swap.sqrt_price_after.to_string(),
        tick_after: swap.tick_after(),
    }
}

fn rows(quote: &Printed) -> Vec<Row> {
    vec![
        ("block", quote.block.clone()),
        ("amount in", quote.amount_in.clone()),
        ("amount out", quote.amount_out.clone()),
        ("of it fee (amount in)", quote.fee.clone()),
        ("price impact (bps)", format!("{:.4}", quote.price_impact_bps)),
        ("ticks crossed", quote.ticks_crossed.to_string()),
        ("sqrt price after (X96)", quote.sqrt_price_after.clone()),
        ("tick after", quote.tick_after.to_string()),
    ]
}
