"""From `cargo metadata` on stdin, and the lines of `cargo tree` in the second file, to CycloneDX 1.5 in the first."""

import json
import sys
import tomllib

metadata = json.load(sys.stdin)
packages = {package["id"]: package for package in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
with open("Cargo.lock", "rb") as lock:
    locked = tomllib.load(lock)["package"]
checksums = {(one["name"], one["version"]): one.get("checksum") for one in locked}
with open(sys.argv[2]) as tree:
    linked = {tuple(line.split()[:2]) for line in tree}


def needs(node):
    """What is linked into the program: neither build scripts' crates nor tests'."""
    normal = [dep["pkg"] for dep in node["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
    return [id for id in normal if (packages[id]["name"], "v" + packages[id]["version"]) in linked]


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


root = next(id for id, package in packages.items() if package["name"] == "orderledger-api")
reached, waiting = {root}, [root]
while waiting:
    for id in needs(nodes[waiting.pop()]):
        if id not in reached:
            reached.add(id)
            waiting.append(id)


def component(id):
    package = packages[id]
    found = {"type": "library", "bom-ref": purl(package), "name": package["name"], "version": package["version"]}
    found["purl"] = purl(package)
    if package["license"]:
        found["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        found["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return found


def edges(id):
    return {"ref": purl(packages[id]), "dependsOn": sorted({purl(packages[other]) for other in needs(nodes[id])})}


in_order = sorted(reached, key=lambda id: purl(packages[id]))
bom = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.5",
    "version": 1,
    "metadata": {"component": {**component(root), "type": "application", "name": "orderledger"}},
    "components": [component(id) for id in in_order if id != root],
    "dependencies": [edges(id) for id in in_order],
}
with open(sys.argv[1], "w") as file:
    json.dump(bom, file, indent=1, sort_keys=True)
    file.write("\n")
print(f"{len(bom['components'])} components in {sys.argv[1]}", file=sys.stderr)
