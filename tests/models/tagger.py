"""A tagger of sequences: the recurrent model among the test models."""

# mypy: disable-error-code="no-any-return"

from torch import Tensor, nn


class LSTMTagger(nn.Module):
    """Scores of tags `[batch, tokens, tags]` for token ids `[batch, tokens]`."""

    def __init__(
        self,
        vocabulary: int = 1000,
        width: int = 64,
        hidden: int = 128,
        layers: int = 2,
        tags: int = 17,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, hidden, layers, batch_first=True, bidirectional=True)
        self.classifier = nn.Linear(2 * hidden, tags)

    def forward(self, tokens: Tensor) -> Tensor:
        states, _ = self.lstm(self.embedding(tokens))
        return self.classifier(states)
