# SPDX-License-Identifier: LGPL-2.1-or-later
"""The contract in bus-interfaces/ against what a running daemon says of itself."""
import glob
import os
import re
import xml.etree.ElementTree as ElementTree

from .daemons import TOP, object_path

EMITS = "org.freedesktop.DBus.Property.EmitsChangedSignal"


def _arguments(element):
    return [(a.get("name"), a.get("type"), a.get("direction", "out" if element.tag == "signal" else "in"))
            for a in element.findall("arg")]


def _annotations(element):
    return {a.get("name"): a.get("value") for a in element.findall("annotation")}


def describe(interface):
    """An <interface> element as {"property State": (...), "method SignIn": (...), ...}: all that a caller sees."""
    described = {}
    for element in interface:
        name = f"{element.tag} {element.get('name')}"
        assert name not in described, f"{name} twice"
        annotations = _annotations(element)
        if element.tag == "property":
            emits = annotations.pop(EMITS, "true")
            described[name] = (element.get("type"), element.get("access"), f"announced: {emits}", annotations)
        elif element.tag in ("method", "signal"):
            described[name] = (_arguments(element), annotations)
        else:
            assert element.tag == "annotation", f"<{element.tag}>"
            described[name] = element.get("value")
    return described


def contract():
    """{interface name: description} of all of bus-interfaces/."""
    interfaces = {}
    for path in sorted(glob.glob(os.path.join(TOP, "bus-interfaces/*.xml"))):
        for interface in ElementTree.parse(path).getroot().findall("interface"):
            assert os.path.basename(path) == interface.get("name") + ".xml"
            interfaces[interface.get("name")] = describe(interface)
    return interfaces


def documented_states(name):
    """The words that the comment of an interface allows for State."""
    with open(os.path.join(TOP, f"bus-interfaces/{name}.xml")) as file:
        text = re.search(r"States: (.*?)\.\s", file.read(), re.S).group(1)
    return set(re.findall(r"[a-z-]+", re.sub(r"\(.*?\)", "", text, flags=re.S)))


def walk(bus, bus_name, path):
    """(path, {interface: description}) of the object and everything below it."""
    root = ElementTree.fromstring(bus.introspect(bus_name, path))
    yield path, {i.get("name"): describe(i) for i in root.findall("interface")}
    for node in root.findall("node"):
        yield from walk(bus, bus_name, f"{path.rstrip('/')}/{node.get('name')}")


def check(host, daemon):
    """Compares everything that a daemon shows with the contract; returns the names of our interfaces it showed."""
    bus, bus_name, wanted, seen = host.bus, host.bus_name(daemon), contract(), set()
    for path, interfaces in walk(bus, bus_name, "/org/homeward"):
        if path == "/org/homeward":
            assert "org.freedesktop.DBus.ObjectManager" in interfaces
        for name, description in interfaces.items():
            if not name.startswith("org.homeward."):
                continue
            assert name in wanted, f"{path}: {name} is not in bus-interfaces/"
            assert description == wanted[name], f"{path}: {name}"
            seen.add(name)
            properties = {n.split()[1] for n in wanted[name] if n.startswith("property ")}
            assert set(bus.get_all(bus_name, path, name)) == properties
    assert bus_name in seen
    for path, interfaces in bus.objects(bus_name).items():
        for name, values in interfaces.items():
            if name.startswith("org.homeward."):
                assert set(values) == {n.split()[1] for n in wanted[name] if n.startswith("property ")}, path
    state = bus.get(bus_name, object_path(bus_name), bus_name, "State")
    assert state in documented_states(bus_name), state
    return seen
