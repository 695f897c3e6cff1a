//! The first screen: what runs where, what to paste, where to look.

use std::net::SocketAddr;

use crate::config::Config;

use super::house::House;

pub(super) fn text(house: &House) -> String {
    let destinations: Vec<_> =
        house.config.slack.iter().flat_map(|slack| &slack.destinations).map(|known| known.name.as_str()).collect();
    format!(
        "Postrider is running; everything is in this process and is forgotten when it ends.\n\n\
         \x20 Inbox    {inbox:<32} every mail and Slack message as it arrives\n\
         \x20 API      http://{api:<25} described at /openapi.json\n\
         \x20 Metrics  http://{admin}/metrics\n\
         \x20 Mail     {mail:<32} a server that catches everything\n\
         \x20 Kafka    {kafka:<32} topic {topic}\n\
         \x20 Slack    destinations: {slack}\n\n\
         Send one:\n\n{curl}\n\n\
         Look at it: {inbox}\nCtrl-C ends it.\n",
        inbox = house.page.url(),
        api = house.ingest.address().to_string(),
        admin = house.admin.address(),
        mail = house.mail.address().to_string(),
        kafka = house.broker.bootstrap_servers(),
        topic = house.config.topics.events,
        slack = destinations.join(", "),
        curl = curl(house.ingest.address(), &house.config),
    )
}

/// A command to paste that brings a mail and a Slack message.
pub(super) fn curl(ingest: SocketAddr, config: &Config) -> String {
    let first = config.slack.iter().flat_map(|slack| &slack.destinations).next();
    let destination = first.map_or("ops", |destination| destination.name.as_str());
    format!(
        "  curl http://{ingest}/v1/notifications -H 'content-type: application/json' -d '{{\n\
         \x20   \"type\": \"order.shipped\",\n\
         \x20   \"email\": {{ \"to\": [{{\"address\": \"ada@example.com\", \"name\": \"Ada\"}}],\n\
         \x20              \"subject\": \"Your order is on its way\", \"text\": \"It left a minute ago.\" }},\n\
         \x20   \"slack\": {{ \"to\": [\"{destination}\"], \"text\": \"Order 1017 shipped\" }} }}'"
    )
}
