"""What a request costs a server: who asks how, nginx and the forest beside it, what workers share."""
