from spacy.cli._util import setup_gpu


def use_gpu_or_cpu(gpu_id: int, silent: bool) -> None:
    """Set up the device as spaCy's commands do.

    gpu_id (int): The number of the GPU, -1 for the CPU.
    silent (bool): Whether to keep quiet about it.
    """
    try:
        setup_gpu(gpu_id, silent=silent)
    except Exception as error:
        raise ValueError(
            f"GPU {gpu_id} cannot be used ({error}). Install CuPy for your version of CUDA and "
            "check the number of the GPU, or leave out --gpu-id to use the CPU."
        ) from error
