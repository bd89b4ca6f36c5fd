"""An MLServer runtime."""

from arrays import answer
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Bench(MLModel):
    """Answers with labels and probabilities."""

    async def load(self) -> bool:
        """Need nothing: the arrays are loaded with their module."""
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer every row."""
        labels, A = answer(NumpyCodec.decode_input(payload.inputs[0]))
        outputs = [StringCodec.encode_output("predictions", labels), NumpyCodec.encode_output("probabilities", A)]
        return InferenceResponse(model_name=self.name, outputs=outputs)
