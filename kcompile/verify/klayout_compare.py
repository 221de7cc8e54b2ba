"""Compares two netlists of transistors in klayout; run as a program of its own, `python klayout_compare.py A B TOP MODEL..`.

klayout is under the GPL, so nothing of kcompile imports it, nor this file. The answer is one line of JSON.
"""

import json
import sys


def main(first, second, top, models):
    import klayout.db as db

    terminals = {4: ("D", "G", "S", "B"), 2: ("A", "B")}

    class Reader(db.NetlistSpiceReaderDelegate):
        """Elements of the process as devices with their width, length and number, instead of empty subcircuits."""

        def wants_subcircuit(self, name):
            return name.lower() in models

        def control_statement(self, line):
            return True  # starting voltages are no part of a layout

        def element(self, circuit, element, name, model, value, nets, params):
            if element != "X" or not self.wants_subcircuit(model):
                return super().element(circuit, element, name, model, value, nets, params)
            device = circuit.create_device(self.device_class(circuit.netlist(), model, len(nets)), name)
            for terminal, net in zip(terminals[len(nets)], nets, strict=True):
                device.connect_terminal(terminal, net)
            for key, default in (("W", None), ("L", None), ("M", 1.0)):
                device.set_parameter(key, float(params.get(key, default)))
            return True

        def device_class(self, netlist, model, count):
            found = netlist.device_class_by_name(model)
            if found is None:
                found = db.DeviceClass()
                found.name = model
                for terminal in terminals[count]:
                    found.add_terminal(db.DeviceTerminalDefinition(terminal, ""))
                for key in ("W", "L", "M"):
                    found.add_parameter(db.DeviceParameterDefinition(key, "", 0.0, True))
                if count == 4:
                    found.equivalent_terminal_id(2, 0)  # source and drain are the same on silicon
                netlist.add(found)
            return found

    class Logger(db.GenericNetlistCompareLogger):
        """What does not match, and nets that could have been matched in more than one way."""

        def __init__(self):
            super().__init__()
            self.said, self.ambiguous = [], 0

        def match_ambiguous_nets(self, a, b, message):
            self.ambiguous += 1

        def net_mismatch(self, a, b, message):
            self.note("net", a, b, message)

        def device_mismatch(self, a, b, message):
            self.note("device", a, b, message)

        def match_devices_with_different_parameters(self, a, b):
            self.note("size", a, b, "")

        def match_devices_with_different_device_classes(self, a, b):
            self.note("model", a, b, "")

        def pin_mismatch(self, a, b, message):
            self.note("pin", a, b, message)

        def note(self, kind, a, b, message):
            names = [one.expanded_name() if one is not None else "none" for one in (a, b)]
            self.said.append(f"{kind}: {names[0]} and {names[1]} {message}".strip())

    def read(path):
        netlist = db.Netlist()
        netlist.read(path, db.NetlistSpiceReader(Reader()))
        netlist.flatten()
        circuit = next(one for one in netlist.each_circuit() if one.name.split("(")[0].lower() == top)
        for other in [one for one in netlist.each_circuit() if one.cell_index != circuit.cell_index or one.name != circuit.name]:
            netlist.remove(other)  # subcircuits that the top does not use
        return netlist, circuit

    (one, a), (other, b) = read(first), read(second)
    a.name = b.name = top.upper()
    logger = Logger()
    comparer = db.NetlistComparer(logger)
    comparer.same_circuits(a, b)
    for pin in a.each_pin():
        twin = b.pin_by_name(pin.name())
        if twin is None:
            logger.said.append(f"pin: {pin.name()} is missing")
        else:
            comparer.same_nets(a.net_for_pin(pin.id()), b.net_for_pin(twin.id()), True)
    same = comparer.compare(one, other)
    return {"match": bool(same) and not logger.said, "ambiguous": logger.ambiguous, "differences": logger.said[:20],
            "devices": [sum(1 for _ in circuit.each_device()) for circuit in (a, b)]}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], sys.argv[2], sys.argv[3].lower(), {m.lower() for m in sys.argv[4:]})) + "\n")
