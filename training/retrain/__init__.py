"""The training half of the loop: check new data, fit a challenger, compare it with the champion, publish."""
