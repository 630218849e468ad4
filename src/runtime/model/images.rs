//! Images of the model engine.

use super::{ModelEngine, Program};
use crate::runtime::{Error, Image};

impl ModelEngine {
    /// See [`crate::runtime::Engine::pull`].
    pub fn pull(&mut self, image: &str) -> Result<(), Error> {
        let Some(found) = self.registry.get(image) else {
            let message = format!(
                "pull access denied for {image}, repository does not exist or may require 'docker login'"
            );
            return Err(Error::NotFound { message });
        };
        self.local.insert(image.to_owned(), found.clone());
        Ok(())
    }

    /// See [`crate::runtime::Engine::load`]. Its containers run for ever.
    pub fn load(&mut self, image: &str) {
        *self = std::mem::take(self).with_image(image, Program::default());
    }

    /// See [`crate::runtime::Engine::image`].
    #[must_use]
    pub fn image(&self, image: &str) -> Option<Image> {
        self.local.get(image).cloned()
    }
}
