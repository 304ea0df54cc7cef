from thinc.api import Model


def has_listener(model: Model) -> bool:
    """RETURNS (bool): Whether some layer of a model does not compute its rows, but passes on those
    that an encoder shared with other pipes computed before. All kinds of listeners, to a tok2vec or to
    a transformer, know the name of that pipe.
    """
    return any(hasattr(node, "upstream_name") for node in model.walk())
