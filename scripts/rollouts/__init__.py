"""What the deployment scripts share."""
