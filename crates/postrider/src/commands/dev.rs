//! `postrider dev`: everything in one process, on loopback, kept nowhere.

mod demo;
mod house;
mod samples;
mod screen;
mod sink;

use crate::{
    cli::{DevArgs, Global},
    config::Config,
    failure::Failure,
    output,
    signals::Shutdown,
    wiring,
};

use house::House;

/// Runs until it is asked to stop, or until the demo is over.
pub(crate) fn run(args: &DevArgs, global: &Global) -> Result<(), Failure> {
    let config = Config::load_for_dev(global.config.as_deref())?;
    wiring::runtime()?.block_on(serve(args, config))
}

async fn serve(args: &DevArgs, config: Config) -> Result<(), Failure> {
    let shutdown = Shutdown::listen()?;
    let house = House::start(args, config).await?;
    let screen = screen::text(&house);
    if args.json {
        eprint!("{screen}");
    } else {
        output::print(&screen)?;
    }
    let Some(count) = args.demo else {
        return Ok(house.run_until(shutdown.requested()).await?);
    };
    let shown = tokio::select! {
        shown = demo::run(&house, count, args.json, shutdown.clone()) => shown,
        () = shutdown.requested() => Err(Failure::Failed(anyhow::anyhow!("the demo was interrupted"))),
    };
    house.run_until(std::future::ready(())).await?;
    shown
}
