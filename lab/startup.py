"""What has to be set before TensorFlow and scikit-learn are imported, and the noise of importing them."""

import contextlib
import logging
import os
import sys
import tempfile

# Threads of t-SNE that wait for each other by spinning take several times as long beside any other program.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # Errors only.
logging.getLogger("tensorflow").setLevel(logging.ERROR)  # Each run traces its own model: no cause for warnings.


@contextlib.contextmanager
def hidden_start_up_noise():
    """Holds back what native libraries print to standard error; shows it if the block fails."""
    sys.stderr.flush()
    real = os.dup(2)
    with tempfile.TemporaryFile() as noise:
        os.dup2(noise.fileno(), 2)
        try:
            yield
        except KeyboardInterrupt:
            raise SystemExit(130) from None
        except BaseException:
            noise.seek(0)
            os.write(real, noise.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(real, 2)
            os.close(real)
