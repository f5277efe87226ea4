// Swagger UI, told where the API's document is. Both scripts run when the page has been read, in their order.

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#viewer",
  deepLinking: true,
  // Or it would have another server look at the document.
  validatorUrl: null,
});
