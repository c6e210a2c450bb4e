"""Flags of create_pretraining_data.py that name files -> arguments of `bertprep create`.

--input_file=a.txt,b.txt --output_file=out/records
a.txt b.txt --output-file=out/records --output=out/records.data
"""

_INPUTS, _OUTPUTS = "--input-file", "--output-file"


def translate(arguments: list[str]) -> list[str]:
    """Return the arguments with inputs as positional ones, and with a folder for the output."""
    inputs: list[str] = []
    outputs: list[str] = []
    others: list[str] = []
    has_folder = False
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            others += [argument, *rest]
            break
        flag, equals, value = argument.partition("=")
        flag = flag.replace("_", "-")
        has_folder = has_folder or flag == "--output" or flag.startswith("-o")
        if flag in (_INPUTS, _OUTPUTS):
            value = value if equals else next(rest, "")
            names = [name for name in value.split(",") if name]
            (inputs if flag == _INPUTS else outputs).extend(names)
        else:
            others.append(argument)
    named = [f"{_OUTPUTS}={name}" for name in outputs]
    if outputs and not has_folder:
        named.append(f"--output={outputs[0]}.data")
    return [*inputs, *named, *others]
