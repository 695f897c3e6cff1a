//! The manifests: labels that meet, probes that exist, grace that is long enough, and nothing that runs as root.

use yaml_rust2::Yaml;

use crate::tree::{
    assert_known_command, assert_valid_config, document, documents, drain_and_ten, entries, items, root, texts,
};

const FOLDER: &str = "deploy/kubernetes";

/// Every object that the kustomization names.
fn objects() -> Vec<Yaml> {
    let kustomization = document(&format!("{FOLDER}/kustomization.yaml"));
    let files = texts(&kustomization["resources"]).into_iter().map(|file| format!("{FOLDER}/{file}"));
    let objects: Vec<_> = files.flat_map(|file| documents(&file)).collect();
    for generator in items(&kustomization["configMapGenerator"]) {
        for file in texts(&generator["files"]) {
            assert!(root().join(FOLDER).join(file).exists(), "{file}");
        }
    }
    objects
}

fn of_kind(kind: &str) -> Vec<Yaml> {
    objects().into_iter().filter(|object| object["kind"].as_str() == Some(kind)).collect()
}

fn name(object: &Yaml) -> &str {
    object["metadata"]["name"].as_str().expect("every object has a name")
}

fn is_part_of(labels: &Yaml, of: &Yaml) -> bool {
    let of = entries(of);
    !entries(labels).is_empty() && entries(labels).iter().all(|label| of.contains(label))
}

#[test]
fn the_configuration_is_valid() {
    assert_valid_config("deploy/kubernetes/postrider.toml", "/var/run/secrets/postrider/");
}

#[test]
fn selectors_meet_their_pods_and_every_deployment_has_a_budget() {
    let deployments = of_kind("Deployment");
    assert_eq!(
        deployments.iter().map(name).collect::<Vec<_>>(),
        ["postrider-ingest", "postrider-process-email", "postrider-process-slack"]
    );
    let budgets = of_kind("PodDisruptionBudget");
    for deployment in &deployments {
        let pod = &deployment["spec"]["template"]["metadata"]["labels"];
        assert!(is_part_of(&deployment["spec"]["selector"]["matchLabels"], pod), "{}", name(deployment));
        let chosen = budgets.iter().filter(|budget| is_part_of(&budget["spec"]["selector"]["matchLabels"], pod));
        assert_eq!(chosen.count(), 1, "{} has one budget", name(deployment));
    }
    let service = &of_kind("Service")[0];
    let ingest = &deployments[0]["spec"]["template"];
    assert!(is_part_of(&service["spec"]["selector"], &ingest["metadata"]["labels"]));
}

#[test]
fn pods_have_probes_limits_and_no_rights() {
    for workload in of_kind("Deployment").into_iter().chain(of_kind("Job")) {
        let (name, pod) = (name(&workload).to_owned(), &workload["spec"]["template"]["spec"]);
        let security = &pod["securityContext"];
        assert_eq!(security["runAsNonRoot"].as_bool(), Some(true), "{name}");
        assert_eq!(security["runAsUser"].as_i64(), Some(65532), "{name}: the image's user");
        assert_eq!(security["seccompProfile"]["type"].as_str(), Some("RuntimeDefault"), "{name}");
        assert_eq!(pod["automountServiceAccountToken"].as_bool(), Some(false), "{name}");
        let volumes: Vec<_> = items(&pod["volumes"]).iter().map(|volume| volume["name"].as_str().unwrap()).collect();
        for container in items(&pod["containers"]) {
            let security = &container["securityContext"];
            assert_eq!(security["allowPrivilegeEscalation"].as_bool(), Some(false), "{name}");
            assert_eq!(security["readOnlyRootFilesystem"].as_bool(), Some(true), "{name}");
            assert_eq!(texts(&security["capabilities"]["drop"]), ["ALL"], "{name}");
            for resource in ["requests", "limits"] {
                assert!(container["resources"][resource]["memory"].as_str().is_some(), "{name}: {resource}");
            }
            let mounts: Vec<_> =
                items(&container["volumeMounts"]).iter().map(|mount| mount["name"].as_str().unwrap()).collect();
            assert_eq!(mounts, volumes, "{name}: every volume is mounted");
            assert_known_command(&texts(&container["args"]));
        }
    }
    for deployment in of_kind("Deployment") {
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let port = if name(&deployment) == "postrider-ingest" { 9465 } else { 9464 };
        let ports = items(&container["ports"]);
        let admin =
            ports.iter().find(|port| port["name"].as_str() == Some("admin")).expect("the admin port has a name");
        assert_eq!(admin["containerPort"].as_i64(), Some(port));
        for (probe, path) in
            [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")]
        {
            let get = &container[probe]["httpGet"];
            assert_eq!((get["path"].as_str(), get["port"].as_str()), (Some(path), Some("admin")), "{probe}");
        }
    }
}

#[test]
fn the_grace_is_longer_than_the_drain() {
    for deployment in of_kind("Deployment").iter().filter(|deployment| name(deployment).contains("process")) {
        let grace = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap();
        assert!(u64::try_from(grace).unwrap() > drain_and_ten().as_secs(), "{}", name(deployment));
        assert_eq!(deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"].as_i64(), Some(0));
    }
    let config = crate::tree::text("deploy/kubernetes/postrider.toml");
    let drains: Vec<_> = config.lines().filter(|line| line.starts_with("drain_timeout")).collect();
    assert_eq!(drains, ["drain_timeout = \"20s\""; 2], "raise the graces with it");
}

#[test]
fn the_examples_fit_the_manifests() {
    let scaled = document(&format!("{FOLDER}/keda.example.yaml"));
    let spec = &scaled["spec"];
    assert!(of_kind("Deployment").iter().any(|d| Some(name(d)) == spec["scaleTargetRef"]["name"].as_str()));
    let default = crate::tree::text("crates/postrider/src/config/default.toml");
    let partitions = default.lines().find_map(|line| line.strip_prefix("partitions = ")).unwrap();
    assert!(spec["maxReplicaCount"].as_i64().unwrap() <= partitions.parse().unwrap());
    assert!(spec["minReplicaCount"].as_i64().unwrap() >= 1, "never to zero");
    let trigger = &spec["triggers"][0]["metadata"];
    assert_eq!(trigger["consumerGroup"].as_str(), Some("notifications.email"));
    assert_eq!(trigger["topic"].as_str(), Some("notifications"));
    let prometheus = document("grafana/prometheus/prometheus.yml");
    let known: Vec<_> = items(&prometheus["scrape_configs"]).iter().map(|job| job["job_name"].as_str()).collect();
    for monitor in documents(&format!("{FOLDER}/podmonitor.example.yaml")) {
        let endpoint = &monitor["spec"]["podMetricsEndpoints"][0];
        assert!(known.contains(&endpoint["relabelings"][0]["replacement"].as_str()), "alerts know jobs by name");
        let pods = of_kind("Deployment");
        let chosen = &monitor["spec"]["selector"]["matchLabels"];
        assert!(pods.iter().any(|pod| is_part_of(chosen, &pod["spec"]["template"]["metadata"]["labels"])));
    }
}
