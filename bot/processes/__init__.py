"""The processes of the product: started together, kept running, stopped in order."""
