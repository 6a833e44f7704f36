"""From a deployment that somebody made by hand to the spec that describes it. Reads only; no secret's value, ever.

`find` looks for the parts, `clues` reads a container's settings for where they are, `describe` says it as a spec in the
making (`said`), `fit` takes what the rules would refuse down to what they let pass.
"""
